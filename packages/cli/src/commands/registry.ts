import { resolve } from 'node:path';
import { systemClock } from '@bascule/core';
import { Option, type Command } from 'commander';
import { parsePort } from '../arguments.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { waitForStop } from '../shutdown.ts';

interface RegistryOptions extends GlobalOptions {
  readonly port: number;
  readonly host: string;
  readonly stateDir: string;
  readonly exitWithStdin?: boolean;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);
const GRACE_MS = 5000;

const HELP = `
Backends register here and keep their lease alive; gateways watch. It keeps nothing on disk but the token: when it starts
anew, everybody registers again, and gateways keep what they know meanwhile.

Example:
  bascule registry --port 7070`;

export function addRegistryCommand(program: Command, context: CliContext): void {
  program
    .command('registry')
    .summary('run a registry of its own')
    .description(
      'Runs a registry apart from the gateway. Whoever may register gets calls: it is on loopback, with a token.',
    )
    .addOption(new Option('--port <number>', '0 takes a free one').default(7070).argParser(parsePort))
    .option('--host <address>', 'loopback address to listen on', '127.0.0.1')
    .option('--state-dir <folder>', 'folder of the token', '.bascule')
    .option('--exit-with-stdin', 'stop when standard input ends, for launchers')
    .addHelpText('after', HELP)
    .action(async (_options: unknown, command: Command) =>
      runRegistry(context, command.optsWithGlobals<RegistryOptions>()),
    );
}

async function runRegistry(context: CliContext, options: RegistryOptions): Promise<void> {
  if (!LOOPBACK.has(options.host)) {
    const advice = 'Use 127.0.0.1, and a tunnel where others must reach it.';
    throw new CliFailure(ExitCode.usage, `${options.host} is no loopback address`, advice);
  }
  const { terminal } = context;
  const { createOperatorService, readOrCreateToken } = await import('@bascule/gateway');
  const { createRegistry } = await import('@bascule/discovery');
  const { createKit } = await import('@bascule/kit');
  const { listen } = await import('@bascule/wire');
  const clock = systemClock;
  const token = await readOrCreateToken(resolve(context.cwd, options.stateDir));
  const registry = createRegistry({ clock });
  const kit = createKit({ routes: (router) => registry.routes(router) });
  const service = createOperatorService({
    routesService: kit.service,
    token,
    clock,
    metrics: () => '',
    healthy: () => true,
    ready: () => ({ ready: true, reason: '' }),
    ports: () => [listener.port],
  });
  const listener = await listen({ host: options.host, port: options.port, service, clock });
  const stop = waitForStop({
    context,
    clock,
    exitWithStdin: options.exitWithStdin === true,
    force: () => context.exitNow(ExitCode.failed),
  });
  const url = `http://${options.host === '::1' ? '[::1]' : options.host}:${listener.port}`;
  terminal.print(options.json === true ? JSON.stringify({ registry: url }) : `registry at ${url}`);
  await stop;
  // First, since its watches would otherwise hold the listener open.
  registry.close();
  await listener.close(GRACE_MS);
}
