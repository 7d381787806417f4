import { mkdir, stat } from 'node:fs/promises';
import { MessageChannel } from 'node:worker_threads';
import { systemClock, type Clock } from '@bascule/core';
import { readOrCreateToken } from './admin/token.ts';
import { formatConfigError, SettingsRefused, type ConfigError } from './config/error.ts';
import { defaultSettings, loadConfig, type LoadedConfig } from './config/load.ts';
import type { Settings, SettingsOverrides } from './config/settings-types.ts';
import { applyOverrides } from './config/settings.ts';
import { watchConfig } from './config/watch.ts';
import { startControl } from './control/control.ts';
import { startOperator } from './control/operator.ts';
import type { Log } from './log.ts';

export interface GatewayOptions {
  /** Path of bascule.yaml; watched while the gateway runs. Default: none, every setting at its default. */
  readonly configFile?: string;
  /** What wins over the file. */
  readonly overrides?: SettingsOverrides;
  /** Variables that sources of the scheme `env:` read. Default none. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Default: drops everything. */
  readonly log?: Log;
  readonly clock?: Clock;
  /** Called when the gateway cannot go on, as when a data thread ended. Default: nothing. */
  onFatal?(why: string): void;
}

/** A running gateway. */
export interface Gateway {
  /** `https` where `listener.tls` is set. */
  readonly apiScheme: 'http' | 'https';
  readonly apiHost: string;
  readonly apiPort: number;
  readonly operatorPort: number;
  readonly stateDir: string;
  /** Stops accepting, lets calls end within `calls.drainTimeout`, then ends everything it started. */
  close(): Promise<void>;
}

/** The configuration was refused; the message holds every error with its place. */
export class ConfigRefused extends Error {
  constructor(errors: readonly ConfigError[]) {
    super(errors.map(formatConfigError).join('\n'));
    this.name = 'ConfigRefused';
  }
}

const VERSION = '0.1.0';

/**
 * Starts a gateway: control, data threads, operator's listener. Throws ConfigRefused for a bad file, and wire's
 * ListenError for a port in use; then nothing is left running.
 */
export async function startGateway(options: GatewayOptions = {}): Promise<Gateway> {
  // The clock's timers let a process end, and until the first listener stands nothing else may keep it.
  const { port1: alive } = new MessageChannel();
  alive.ref();
  try {
    return await start(options);
  } finally {
    alive.close();
  }
}

async function start(options: GatewayOptions): Promise<Gateway> {
  const { clock = systemClock, log = () => {}, configFile } = options;
  const { settings, errorOf } = await readSettings(options);
  await mkdir(settings.stateDir, { recursive: true, mode: 0o700 });
  if (((await stat(settings.stateDir)).mode & 0o022) !== 0) {
    const message = `${settings.stateDir} may be written by other users: whoever writes there runs code in here; chmod go-w`;
    log({ level: 'warn', message });
  }
  const token = await readOrCreateToken(settings.stateDir);
  const onFatal = (why: string): void => {
    log({ level: 'error', message: `a data thread was lost: ${why}` });
    options.onFatal?.(why);
  };
  const { env = {} } = options;
  const control = await startControl({ settings, clock, token, env, log, onFatal }).catch((error: unknown) => {
    if (error instanceof SettingsRefused && errorOf !== undefined) throw new ConfigRefused([errorOf(error.problem)]);
    throw error;
  });
  let configError = '';
  let accepting = true;
  const operator = await startOperator({
    control,
    clock,
    token,
    port: settings.operator.port,
    version: VERSION,
    configError: () => configError,
    accepting: () => accepting,
  }).catch(async (error: unknown) => {
    await control.close();
    throw error;
  });
  const watch =
    configFile === undefined
      ? undefined
      : watchConfig({
          file: configFile,
          clock,
          initial: settings,
          overrides: options.overrides ?? {},
          async onConfig(next, revision) {
            await control.update(next, revision);
            configError = '';
            log({ level: 'info', message: `configuration revision ${revision} is in place` });
          },
          onError(errors) {
            configError = errors.map(formatConfigError).join('\n');
            for (const error of errors)
              log({ level: 'error', message: `configuration refused: ${formatConfigError(error)}` });
          },
        });

  async function stop(): Promise<void> {
    accepting = false;
    await watch?.close();
    await control.close();
    // Last, so that probes and metrics answer to the end.
    await operator.close(1_000);
  }

  let stopped: Promise<void> | undefined;
  return {
    apiScheme: settings.listener.tls === undefined ? 'http' : 'https',
    apiHost: settings.listener.host,
    apiPort: control.port,
    operatorPort: operator.port,
    stateDir: settings.stateDir,
    close: () => (stopped ??= stop()),
  };
}

/** `errorOf` says where in the file something stands; undefined without one. */
async function readSettings(
  options: GatewayOptions,
): Promise<{ readonly settings: Settings; readonly errorOf?: LoadedConfig['errorOf'] }> {
  const overrides = options.overrides ?? {};
  if (options.configFile === undefined) return { settings: applyOverrides(defaultSettings('.'), overrides) };
  const loaded = await loadConfig(options.configFile);
  if (!loaded.ok) throw new ConfigRefused(loaded.errors);
  return { settings: applyOverrides(loaded.settings, overrides), errorOf: loaded.errorOf };
}
