/** `npm test`: set-up, check, tests. Works from any Node >= 18; extra arguments go to vitest. */
import { spawnSync } from 'node:child_process';
import { ensureInstalled, nodeOfWorkspace, environment } from './setup.mjs';

ensureInstalled();
const env = environment();
const run = (command, args) => spawnSync(command, args, { stdio: 'inherit', env }).status ?? 1;
const node = nodeOfWorkspace();
const check = run(node, ['scripts/check.ts']);
const prepared = run(node, ['scripts/test/prepare.ts']);
const tests = prepared === 0 ? run(node, ['scripts/test/run.ts', ...process.argv.slice(2)]) : 1;
process.exitCode = check === 0 && tests === 0 ? 0 : 1;
