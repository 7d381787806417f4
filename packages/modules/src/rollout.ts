import type { Clock } from '@bascule/core';
import { checkHealth } from './health.ts';
import type { VersionRecord } from './history.ts';
import type { ModuleLimits } from './limits.ts';
import { startLive, type Live, type Start } from './live.ts';
import { aboutOf, type Log } from './log.ts';
import type { Publisher } from './publisher.ts';
import { ModuleRefused, toRefusal } from './refusal.ts';
import { transitionRollout, type RolloutEvent, type RolloutState } from './rollout-state.ts';
import { lossesBetween, validateSchema, validateServices } from './schema-gate.ts';
import type { ThreadSupply } from './spare.ts';
import type { Serving } from './worker-host.ts';
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

  const start = (version: Start): Live => {
    const live = startLive(version, {
      ...options,
      onReady(ready, downMs) {
        // The first start of a candidate is published by advance.
        if (ready.host.state().restarts > 0 || state.current === ready) commits = republish(ready, downMs);
      },
    });
    lives.add(live);
    void live.host.ended.then(() => lives.delete(live));
    return live;
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
      const candidate = start({ ...step, mustRun: false });
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
      const live = start({ record, bundlePath, mustRun: true });
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
