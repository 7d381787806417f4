import type { Clock } from '@bascule/core';
import { checkHealth } from './health.ts';
import type { VersionRecord } from './history.ts';
import type { ModuleLimits } from './limits.ts';
import { aboutOf, type Log } from './log.ts';
import type { Publisher } from './publisher.ts';
import { ModuleRefused, toRefusal } from './refusal.ts';
import { transitionRollout, type Live, type RolloutEvent, type RolloutState } from './rollout-state.ts';
import { lossesBetween, validateSchema, validateServices } from './schema-gate.ts';
import type { ThreadSupply } from './spare.ts';
import { createWorkerHost, type Serving } from './worker-host.ts';
import type { WorkerState } from './worker-state.ts';
import type { Loaded } from './worker/messages.ts';

export interface RolloutOptions {
  readonly module: string;
  readonly limits: ModuleLimits;
  readonly clock: Clock;
  readonly threads: ThreadSupply;
  nextIncarnation(): number;
  readonly publisher: Publisher;
  readonly log: Log;
}

/**
 * Publishes what a module serves from now on, in turn with all other modules. `validate` may throw ModuleRefused or
 * return false for "not needed any more", both before anything changes; `published` is called in the same turn as the
 * publication ended.
 */
export type Commit = (change: {
  readonly module: string;
  readonly serving: Serving;
  validate(): boolean;
  published(): void;
}) => Promise<void>;

export interface StepTimings {
  readonly workerStartMs: number;
  readonly checkMs: number;
  readonly switchMs: number;
}

/** A version on its way to being current. */
export interface Advance {
  readonly record: VersionRecord;
  readonly bundlePath: string;
  /**
   * Whether callers may lose what only the present version has: true for going back to one that was current before,
   * which is an operator's own wish.
   */
  readonly mayLose: boolean;
  /** Called in the turn in which it became current. */
  published(): void;
}

/** One module and its versions. Its calls of `advance` and `resume` must not overlap. */
export interface Rollout {
  current(): Live | undefined;
  candidate(): Live | undefined;
  /** Every version that has a worker, the draining ones too. */
  lives(): readonly Live[];
  /** Starts a version, checks it and makes it current; the old one drains. Throws ModuleRefused; then nothing has changed. */
  advance(step: Advance): Promise<StepTimings>;
  /** Starts what was current before a restart, and resolves after the first attempt. It is tried again until it runs. */
  resume(record: VersionRecord, bundlePath: string): Promise<void>;
  close(): Promise<void>;
}

/** Makes a rollout with no version. */
export function createRollout(options: RolloutOptions): Rollout {
  const { module, clock, limits, log } = options;
  const lives = new Set<Live>();
  let state: RolloutState = { step: 'idle', current: undefined };
  let commits: Promise<unknown> = Promise.resolve();
  const dispatch = (event: RolloutEvent): void => {
    state = transitionRollout(state, event);
  };

  const start = (record: VersionRecord, bundlePath: string, mustRun: boolean): Live => {
    const about = { module, version: record.version, digest: record.digest };
    /** When it went down, or was started; undefined while it is up. */
    let downMs: number | undefined = clock.nowMs();
    const live: Live = {
      record,
      host: createWorkerHost({
        ...about,
        bundlePath,
        limits,
        clock,
        mustRun,
        takeThread: () => options.threads.take(),
        nextIncarnation: () => options.nextIncarnation(),
        onChange(next) {
          changed(live, next, clock.nowMs() - (downMs ?? clock.nowMs()));
          if (next.state === 'ready') downMs = undefined;
          if (next.state === 'crashed') downMs ??= clock.nowMs();
        },
        onOutput: (line, stream) =>
          log({ level: stream === 'stderr' ? 'warn' : 'info', message: line, module, version: record.version, stream }),
      }),
    };
    lives.add(live);
    void live.host.ended.then(() => lives.delete(live));
    return live;
  };
  const changed = (live: Live, next: WorkerState, downMs: number): void => {
    const about = { ...aboutOf(live.record), restarts: next.restarts };
    if (next.state === 'crashed')
      log({ level: 'error', message: 'a module version crashed and is started again', reason: next.reason, ...about });
    if (next.state === 'draining') log({ level: 'info', message: 'a module version drains', ...about });
    if (next.state === 'ended') log({ level: 'info', message: 'a module version ended', ...about });
    // The first start of a candidate is published by advance.
    if (next.state === 'ready' && (next.restarts > 0 || state.current === live)) commits = republish(live, downMs);
  };
  const republish = async (live: Live, downMs: number): Promise<void> => {
    const serving = live.host.serving();
    if (serving === undefined) return;
    const about = { ...aboutOf(live.record), restarts: live.host.state().restarts, durationMs: Math.round(downMs) };
    const validate = (): boolean => state.current === live && live.host.serving() === serving;
    const published = (): void => log({ level: 'info', message: 'a module version runs', ...about });
    await options.publisher.commit({ module, serving, validate, published }).catch((error: unknown) => {
      log({
        level: 'error',
        message: 'a module version that was started again could not be published',
        reason: String(error),
        ...about,
      });
    });
  };
  const validate = (candidate: Live, loaded: Loaded, mayLose: boolean): void => {
    const current = state.current?.host.serving()?.loaded;
    const others = options.publisher.othersOf(module);
    if (!mayLose) return validateSchema({ candidate: loaded, current, others });
    validateServices(loaded, others);
    const lost = current === undefined ? [] : lossesBetween(loaded, current).map(({ what }) => what);
    if (lost.length > 0)
      log({
        level: 'warn',
        message: 'callers lose what the newer version had',
        ...aboutOf(candidate.record),
        lost: lost.join(', '),
      });
  };
  const run = async (candidate: Live, step: Advance): Promise<StepTimings> => {
    const startMs = clock.nowMs();
    const serving = await servingOf(candidate);
    dispatch({ type: 'loaded' });
    const loadedMs = clock.nowMs();
    await checkHealth(candidate.host.openPort(), clock, limits.loadTimeoutMs);
    dispatch({ type: 'healthy' });
    const healthyMs = clock.nowMs();
    const old = state.current;
    await options.publisher.commit({
      module,
      serving,
      validate() {
        validate(candidate, serving.loaded, step.mayLose);
        return isReady(candidate);
      },
      published() {
        dispatch({ type: 'published' });
        step.published();
        old?.host.retire();
      },
    });
    return { workerStartMs: loadedMs - startMs, checkMs: healthyMs - loadedMs, switchMs: clock.nowMs() - healthyMs };
  };

  return {
    current: () => state.current,
    candidate: () => (state.step === 'idle' ? undefined : state.candidate),
    lives: () => [...lives],
    async advance(step) {
      const candidate = start(step.record, step.bundlePath, false);
      dispatch({ type: 'start', candidate });
      try {
        return await run(candidate, step);
      } catch (error) {
        if (state.step !== 'idle') dispatch({ type: 'refused' });
        await candidate.host.close();
        throw toRefusal(error, 'See the log of the gateway');
      }
    },
    async resume(record, bundlePath) {
      const live = start(record, bundlePath, true);
      dispatch({ type: 'resume', version: live });
      await live.host.settled;
      await commits;
    },
    async close() {
      await Promise.all([...lives].map((live) => live.host.close()));
    },
  };
}

async function servingOf(candidate: Live): Promise<Serving> {
  await candidate.host.settled;
  isReady(candidate);
  const serving = candidate.host.serving();
  if (serving === undefined) throw new Error('a version that is ready serves nothing');
  return serving;
}

/** Throws ModuleRefused unless the version is ready. */
function isReady(candidate: Live): true {
  const state = candidate.host.state();
  if (state.state === 'ready') return true;
  const reason = 'reason' in state ? state.reason : `its worker is ${state.state}`;
  throw new ModuleRefused(`the module does not start: ${reason}`, 'Correct the source and deploy again');
}
