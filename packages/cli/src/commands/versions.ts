import { toJson } from '@bufbuild/protobuf';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  ListVersionsResponseSchema,
  VersionState,
  type Version,
} from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import type { Command } from 'commander';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { printTable, type Column } from '../table.ts';
import type { Paint } from '../terminal.ts';

const STATES: ReadonlyMap<VersionState, readonly [string, Paint | undefined]> = new Map([
  [VersionState.STORED, ['stored', 'dim']],
  [VersionState.STARTING, ['starting', 'yellow']],
  [VersionState.CURRENT, ['current', 'green']],
  [VersionState.DRAINING, ['draining', 'yellow']],
  [VersionState.REFUSED, ['refused', 'red']],
  [VersionState.CRASHED, ['crashed', 'red']],
]);
const DIGEST_CHARACTERS = 12;

const COLUMNS: readonly Column<Version>[] = [
  { title: 'MODULE', text: (v) => v.module },
  { title: 'VERSION', text: (v) => v.version },
  { title: 'STATE', text: (v) => STATES.get(v.state)?.[0] ?? 'unknown', paint: (v) => STATES.get(v.state)?.[1] },
  { title: 'OPEN', text: (v) => String(v.openCalls), align: 'right' },
  { title: 'RESTARTS', text: (v) => String(v.restarts), align: 'right' },
  { title: 'DEPLOYED', text: (v) => (v.deployedAt === undefined ? '' : toLocalTime(timestampDate(v.deployedAt))) },
  { title: 'DIGEST', text: (v) => v.digest.replace(/^sha256:/, '').slice(0, DIGEST_CHARACTERS) },
  { title: 'SOURCE', text: (v) => v.source },
  { title: 'REASON', text: (v) => v.reason },
];

export function addVersionsCommand(program: Command, context: CliContext): void {
  program
    .command('versions')
    .argument('[module]', 'name of a module; default all')
    .summary('list the versions of modules')
    .description(
      'Lists the versions of handler modules: which is current, which still finish calls, which were refused and why.',
    )
    .addHelpText('after', '\nExamples:\n  bascule versions\n  bascule versions ranking --json')
    .action(async (module: string | undefined, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const answer = await openOperator(context, options).modules.listVersions({ module: module ?? '' });
      if (options.json === true) {
        const json = toJson(ListVersionsResponseSchema, answer, { alwaysEmitImplicit: true });
        return context.terminal.print(JSON.stringify(json));
      }
      if (answer.versions.length === 0)
        return context.terminal.remark('No module is deployed yet: bascule deploy <folder>');
      printTable(context.terminal, COLUMNS, answer.versions);
    });
}

/** 2026-01-31 09:05:00, in the zone of whoever reads it. */
function toLocalTime(date: Date): string {
  return new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' }).format(date);
}
