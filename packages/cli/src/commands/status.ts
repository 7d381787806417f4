import { toJson } from '@bufbuild/protobuf';
import { GetStatusResponseSchema } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import type { Command } from 'commander';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { toPlain } from '../terminal.ts';

export function addStatusCommand(program: Command, context: CliContext): void {
  program
    .command('status')
    .summary('show what the gateway runs with')
    .description(
      'Shows addresses, revisions, threads, how fresh discovery is, and why the last saved configuration was refused.',
    )
    .addHelpText('after', '\nExample:\n  bascule status --json')
    .action(async (_options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const status = await openOperator(context, options).admin.getStatus({});
      const { terminal } = context;
      if (options.json === true) {
        return terminal.print(JSON.stringify(toJson(GetStatusResponseSchema, status, { alwaysEmitImplicit: true })));
      }
      const stale = Math.round(status.discoveryStaleSeconds);
      const lines: [string, string][] = [
        ['version', status.version],
        ['calls at', status.apiAddress],
        ['threads', String(status.dataThreads)],
        ['configuration', `revision ${status.configRevision}`],
        ['snapshot', `revision ${status.snapshotRevision}`],
        ['discovery', stale === 0 ? 'connected' : `not heard of for ${stale} s; the last known endpoints are used`],
      ];
      for (const [name, value] of lines) terminal.print(`${terminal.paint('dim', name.padEnd(14))}${toPlain(value)}`);
      if (status.configError === '') return;
      terminal.print(terminal.paint('red', 'The last saved configuration was refused:'));
      for (const line of status.configError.split('\n')) terminal.print(`  ${toPlain(line)}`);
    });
}
