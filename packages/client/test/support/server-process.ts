/** A program that serves, and says on which port. It ends when its input does. */
import { FleetMember } from './fleet.ts';

const member = await new FleetMember().start();
process.stdout.write(`${member.port}\n`);
process.stdin.on('end', () => process.exit()).resume();
