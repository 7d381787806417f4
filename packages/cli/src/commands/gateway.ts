import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { formatAddress, systemClock } from '@bascule/core';
import type { LogEvent } from '@bascule/gateway';
import type { Command } from 'commander';
import { parseHttpUrl, parsePort, parseWorkers } from '../arguments.ts';
import type { CliContext, GlobalOptions } from '../context.ts';
import { CliFailure, ExitCode } from '../failure.ts';
import { waitForStop } from '../shutdown.ts';
import { toPlain, type Terminal } from '../terminal.ts';

interface GatewayOptions extends GlobalOptions {
  readonly config?: string;
  readonly port?: number;
  readonly operatorPort?: number;
  readonly workers?: number;
  readonly stateDir?: string;
  readonly registry?: string;
  readonly exitWithStdin?: boolean;
}

const HELP = `
Without a file every setting has its default. A file that is saved while the gateway runs takes effect at once, or is
refused whole with the place of the error. SIGTERM or Ctrl-C stops it gracefully; a second one at once.

Examples:
  bascule gateway
  bascule gateway --config bascule.yaml --port 8000 --workers 2`;

export function addGatewayCommand(program: Command, context: CliContext): void {
  program
    .command('gateway')
    .summary('run a gateway')
    .description('Runs a gateway: takes calls from browsers and servers, and balances them over backends and modules.')
    .option('--config <file>', 'configuration; default ./bascule.yaml if there is one')
    .option('--port <number>', 'port for calls; 0 takes a free one', parsePort)
    .option('--operator-port <number>', "port of the operator's listener, on loopback; 0 takes a free one", parsePort)
    .option('--workers <number>', 'threads that take calls; 0 is the main thread', parseWorkers)
    .option('--state-dir <folder>', 'folder for the token, module versions and the last known endpoints')
    .option('--registry <url>', 'registry to watch instead of the one inside', parseHttpUrl)
    .option('--exit-with-stdin', 'stop when standard input ends, for launchers')
    .addHelpText('after', HELP)
    .action(async (_options: unknown, command: Command) =>
      runGateway(context, command.optsWithGlobals<GatewayOptions>()),
    );
}

async function runGateway(context: CliContext, options: GatewayOptions): Promise<void> {
  const { terminal } = context;
  // Loaded late: the other commands need none of it.
  const { startGateway } = await import('@bascule/gateway');
  const fatal = Promise.withResolvers<never>();
  fatal.promise.catch(() => {});
  const configFile = options.config ?? findConfig(context.cwd);
  const gateway = await startGateway({
    ...(configFile === undefined ? {} : { configFile }),
    overrides: toOverrides(options),
    env: context.env,
    log: (event) => printEvent(terminal, event, options.json === true),
    onFatal: (why) => fatal.reject(new CliFailure(ExitCode.failed, `the gateway cannot go on: ${why}`)),
  });
  const stop = waitForStop({
    context,
    clock: systemClock,
    exitWithStdin: options.exitWithStdin === true,
    force: () => context.exitNow(ExitCode.failed),
  });
  const api = `${gateway.apiScheme}://${formatAddress({ host: gateway.apiHost, port: gateway.apiPort })}`;
  const operator = `http://127.0.0.1:${gateway.operatorPort}`;
  if (options.json === true) {
    terminal.print(JSON.stringify({ api, operator, stateDir: gateway.stateDir }));
  } else {
    terminal.print(`calls at    ${api}`);
    terminal.print(`operator at ${operator}`);
  }
  try {
    await Promise.race([stop, fatal.promise]);
  } finally {
    await gateway.close();
  }
}

function findConfig(cwd: string): string | undefined {
  return existsSync(join(cwd, 'bascule.yaml')) ? 'bascule.yaml' : undefined;
}

function toOverrides(options: GatewayOptions): Pick<GatewayOptions, (typeof OVERRIDES)[number]> {
  return Object.fromEntries(
    OVERRIDES.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]),
  );
}

const OVERRIDES = ['port', 'operatorPort', 'workers', 'stateDir', 'registry'] as const;

/** On standard error, since standard output may carry the access log. */
function printEvent(terminal: Terminal, event: LogEvent, asJson: boolean): void {
  if (asJson) return terminal.remark(JSON.stringify({ time: new Date(systemClock.wallMs()).toISOString(), ...event }));
  const { level, message, ...details } = event;
  const shown = Object.entries(details).filter(([, value]) => value !== undefined && value !== '');
  const tail = shown.map(([name, value]) => `${name}=${String(value)}`).join(' ');
  const mark = level === 'info' ? '' : `${terminal.paintRemark(level === 'error' ? 'red' : 'yellow', level)}: `;
  terminal.remark(`${mark}${toPlain(message)}${tail === '' ? '' : ` ${terminal.paintRemark('dim', toPlain(tail))}`}`);
}
