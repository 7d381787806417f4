import type { Clock } from '@bascule/core';
import type { VersionRecord } from './history.ts';
import type { ModuleLimits } from './limits.ts';
import { aboutOf, type Log } from './log.ts';
import type { ThreadSupply } from './spare.ts';
import { createWorkerHost, type WorkerHost } from './worker-host.ts';
import type { WorkerState } from './worker-state.ts';

/** A version with a worker. */
export interface Live {
  readonly record: VersionRecord;
  readonly host: WorkerHost;
}

/** A version to be started. */
export interface Start {
  readonly record: VersionRecord;
  readonly bundlePath: string;
  /** Whether it is tried again when its very first start fails. */
  readonly mustRun: boolean;
}

export interface LiveOptions {
  readonly limits: ModuleLimits;
  readonly clock: Clock;
  readonly threads: ThreadSupply;
  nextIncarnation(): number;
  readonly log: Log;
  /** Called with each start that has loaded; `downMs` is since it was started or crashed. */
  onReady(live: Live, downMs: number): void;
}

/** Starts the worker of a version, and logs what becomes of it. */
export function startLive({ record, bundlePath, mustRun }: Start, options: LiveOptions): Live {
  const { limits, clock, threads, log } = options;
  const { module, version, digest } = record;
  /** When it went down, or was started; undefined while it is up. */
  let downSinceMs: number | undefined = clock.nowMs();

  function changed(next: WorkerState): void {
    logChange(log, record, next);
    if (next.state === 'crashed') downSinceMs ??= clock.nowMs();
    if (next.state !== 'ready') return;
    const downMs = clock.nowMs() - (downSinceMs ?? clock.nowMs());
    downSinceMs = undefined;
    options.onReady(live, downMs);
  }

  const live: Live = {
    record,
    host: createWorkerHost({
      module,
      version,
      digest,
      bundlePath,
      limits,
      clock,
      mustRun,
      takeThread: () => threads.take(),
      nextIncarnation: () => options.nextIncarnation(),
      onChange: changed,
      onOutput: (line, stream) =>
        log({ level: stream === 'stderr' ? 'warn' : 'info', message: line, module, version, stream }),
    }),
  };
  return live;
}

function logChange(log: Log, record: VersionRecord, next: WorkerState): void {
  const about = { ...aboutOf(record), restarts: next.restarts };
  if (next.state === 'crashed')
    log({ level: 'error', message: 'a module version crashed and is started again', reason: next.reason, ...about });
  if (next.state === 'draining') log({ level: 'info', message: 'a module version drains', ...about });
  if (next.state === 'ended') log({ level: 'info', message: 'a module version ended', ...about });
}
