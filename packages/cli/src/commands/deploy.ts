import { create, toJson } from '@bufbuild/protobuf';
import { durationMs, type Duration } from '@bufbuild/protobuf/wkt';
import {
  DeployRequestSchema,
  DeployResponseSchema,
  type DeployRequest,
  type DeployResponse,
} from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import type { Command } from 'commander';
import { resolve } from 'node:path';
import { openOperator, type CliContext, type GlobalOptions } from '../context.ts';
import { openPackage, type BundleFolder } from '../package-source.ts';
import { toPlain, type Terminal } from '../terminal.ts';

const HELP = `
A module is a folder or .tgz with a package.json that has "name", "version" and a "bascule" section, and an entry whose
default export takes a ConnectRouter. New calls go to the new version at once; calls and streams that are open end where
they are. A version that does not load, or lacks a service in use, is refused, and nothing changes.

Examples:
  bascule deploy modules/ranking
  bascule deploy ranking-2.0.0.tgz --json`;

export function addDeployCommand(program: Command, context: CliContext): void {
  program
    .command('deploy')
    .argument('<folder or .tgz>', 'the module')
    .summary('make a module version current')
    .description('Sends a version of a handler module to the gateway and makes it current, without a failed call.')
    .addHelpText('after', HELP)
    .action(async (path: string, _options: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      const operator = openOperator(context, options);
      const absolute = resolve(context.cwd, path);
      const chunks = await openPackage(absolute, await loadBundler());
      const answer = await operator.modules.deploy(toRequests(absolute, chunks));
      if (options.json === true) {
        return context.terminal.print(
          JSON.stringify(toJson(DeployResponseSchema, answer, { alwaysEmitImplicit: true })),
        );
      }
      printDeployed(context.terminal, answer);
    });
}

/** Loaded late: the bundler is large, and no other command needs it. */
async function loadBundler(): Promise<BundleFolder> {
  const { bundleFolder } = await import('@bascule/modules');
  return bundleFolder;
}

async function* toRequests(source: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<DeployRequest> {
  yield create(DeployRequestSchema, { part: { case: 'start', value: { source } } });
  for await (const chunk of chunks) yield create(DeployRequestSchema, { part: { case: 'chunk', value: chunk } });
}

function printDeployed(terminal: Terminal, { version, previousVersion, timings, unchanged }: DeployResponse): void {
  const before = previousVersion === '' ? 'its first version' : `before: ${previousVersion}`;
  const name = toPlain(`${version?.module} ${version?.version}`);
  if (unchanged) return terminal.print(`${terminal.paint('bold', name)} was current already`);
  terminal.print(`${terminal.paint('bold', name)} is current (${toPlain(before)})`);
  if (timings === undefined) return;
  const parts: [string, Duration | undefined][] = [
    ['unpack', timings.unpack],
    ['bundle', timings.bundle],
    ['worker start', timings.workerStart],
    ['check', timings.check],
    ['switch', timings.switchOver],
  ];
  const toMs = (duration: Duration | undefined): number => (duration === undefined ? 0 : durationMs(duration));
  const total = parts.reduce((sum, [, duration]) => sum + toMs(duration), 0);
  const shown = parts.map(([part, duration]) => `${part} ${Math.round(toMs(duration))}`).join(', ');
  terminal.print(terminal.paint('dim', `${Math.round(total)} ms: ${shown}`));
}
