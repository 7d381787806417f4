import { watch as watchFolder } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Timer } from '@bascule/core';
import { SettingsRefused, type ConfigError } from './error.ts';
import { stampOf } from './files.ts';
import { frozenChanges } from './frozen.ts';
import { loadConfig, type LoadedConfig } from './load.ts';
import { applyOverrides } from './settings.ts';
import type { Settings, SettingsOverrides } from './settings-types.ts';

export interface WatchConfigOptions {
  readonly file: string;
  readonly clock: Clock;
  /** What the gateway runs with, overrides included; it is revision 1. */
  readonly initial: Settings;
  /** What the command line says; it wins in every revision. Default none. */
  readonly overrides?: SettingsOverrides;
  /**
   * A saved change that holds every rule. Revisions count up from 2. Throwing refuses it whole: the message is told
   * through `onError` and the number is used again.
   */
  onConfig(settings: Settings, revision: number): void | Promise<void>;
  /** A saved change that was refused; what ran goes on. */
  onError(errors: readonly ConfigError[]): void;
}

export interface ConfigWatch {
  /** Looks at once, as after SIGHUP. Resolves when a change, if there was one, has been taken or refused. */
  check(): Promise<void>;
  /** Resolves when no callback can come any more. */
  close(): Promise<void>;
}

/** Editors save in several steps; this long after the last of them the file is whole. */
const SETTLE_MS = 100;
/** Network file systems and exhausted watches say nothing, so the file is looked at in any case. */
const POLL_MS = 2000;

/**
 * Follows a configuration file. It watches the folder, not the file: saving by renaming gives the name a new file,
 * and a watch of the old one would hear nothing more.
 */
export function watchConfig(options: WatchConfigOptions): ConfigWatch {
  const { clock, file } = options;
  let running = options.initial;
  let revision = 1;
  let stamp: string | undefined;
  /** Of the files that the configuration names. */
  let stamps: ReadonlyMap<string, string> = new Map();
  let closed = false;
  let settle: Timer | undefined;
  let work: Promise<void> = Promise.resolve();

  async function look(): Promise<void> {
    const current = await stampOf(file);
    if (closed || (current === stamp && !(await haveChanged(stamps)))) return;
    const first = stamp === undefined;
    stamp = current;
    // The first look only learns what was loaded at start, unless the file was changed in between: then the stamp
    // is new as well, and reading it once more does no harm.
    const loaded = await loadConfig(file);
    if (closed) return;
    ({ stamps } = loaded);
    if (!loaded.ok) return options.onError(loaded.errors);
    const settings = applyOverrides(loaded.settings, options.overrides ?? {});
    if (first && isDeepStrictEqual(settings, running)) return;
    await take(settings, loaded);
  }

  async function take(settings: Settings, loaded: LoadedConfig): Promise<void> {
    const frozen = frozenChanges(running, settings);
    if (frozen.length > 0) return options.onError(frozen.map(loaded.errorOf));
    try {
      await options.onConfig(settings, revision + 1);
      running = settings;
      revision += 1;
    } catch (cause) {
      if (cause instanceof SettingsRefused) return options.onError([loaded.errorOf(cause.problem)]);
      options.onError([refusal(file, `could not be put in place: ${(cause as Error).message}`, GOES_ON)]);
    }
  }

  const check = (): Promise<void> => (work = work.then(() => (closed ? undefined : look())));
  const soon = (): void => {
    settle?.cancel();
    settle = clock.after(SETTLE_MS, () => void check());
  };
  let poll: Timer;
  const pollAgain = (): void => {
    poll = clock.after(POLL_MS, () => {
      void check();
      pollAgain();
    });
  };
  const watcher = startWatcher(dirname(resolve(file)), soon);
  pollAgain();
  soon();
  return {
    check,
    async close() {
      closed = true;
      settle?.cancel();
      poll.cancel();
      watcher?.close();
      await work;
    },
  };
}

const GOES_ON = 'The gateway goes on with what it had.';

function refusal(file: string, message: string, advice: string): ConfigError {
  return { file, line: 1, column: 1, field: '', message, advice };
}

/** Undefined when the platform cannot watch; the poll is left. */
function startWatcher(folder: string, onChange: () => void): { close(): void } | undefined {
  try {
    const watcher = watchFolder(folder, { persistent: false }, onChange);
    watcher.on('error', () => watcher.close());
    return watcher;
  } catch {
    return undefined;
  }
}

async function haveChanged(stamps: ReadonlyMap<string, string>): Promise<boolean> {
  for (const [file, stamp] of stamps) {
    if ((await stampOf(file)) !== stamp) return true;
  }
  return false;
}
