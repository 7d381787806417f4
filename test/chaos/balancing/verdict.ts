import { Code } from '@connectrpc/connect';
import { pause } from '../chance.ts';
import type { Executions } from '../discovery/executions.ts';
import type { Observer } from '../discovery/observer.ts';
import { shortOf } from '../discovery/observer.ts';
import type { Scene } from '../discovery/scene.ts';
import type { Fleet, LossWindow } from './fleet.ts';
import type { Call, Traffic } from './traffic.ts';

/** What a run measured. */
export interface Measured {
  readonly calls: number;
  readonly cancelled: number;
  /** Failed and must not have. */
  readonly lost: number;
  /** Calls that nobody may repeat, or that had begun to answer, lost with the backend that had them. */
  readonly lostWithTheDead: number;
  /** Tried at more than one endpoint. */
  readonly retried: number;
  readonly slowestMs: number;
  /** Of single calls that may be repeated. */
  readonly slowestGetMs: number;
}

const PATIENCE_MS = 10_000;
/** Each of the callers may have made some before it counted. */
const WARM_UP_CALLS = 200;

export interface Facts {
  readonly scene: Scene;
  readonly traffic: Traffic;
  readonly fleet: Fleet;
  readonly executions: Executions;
  readonly observer: Observer;
  readonly output: () => string;
}

/** Judges a run whose last call has ended. */
export async function judge(facts: Facts): Promise<Measured> {
  const { scene, traffic, fleet, executions } = facts;
  const { calls } = traffic;
  const ends = Map.groupBy(calls, ({ end }) => end);
  const countOf = (end: Call['end']): number => ends.get(end)?.length ?? 0;
  if (traffic.begun() !== calls.length) scene.wrong(`${traffic.begun()} calls began and ${calls.length} ended`);
  const failed = ends.get('error') ?? [];
  const lost = failed.filter((call) => !mayFail(call, fleet.windows));
  for (const { fault } of lost) scene.wrong(`lost: ${fault}`);
  for (const what of executions.repeated()) scene.wrong(what);
  await judgeRest(facts, calls.length);
  feel(scene, calls, fleet);
  const slowestOf = (some: readonly Call[]): number =>
    Math.round(Math.max(0, ...some.map(({ startedMs, endedMs }) => endedMs - startedMs)));
  return {
    calls: calls.length,
    cancelled: countOf('cancelled'),
    lost: lost.length,
    lostWithTheDead: failed.length - lost.length,
    retried: calls.filter(({ attempts }) => attempts > 1).length,
    slowestMs: slowestOf(calls),
    slowestGetMs: slowestOf(calls.filter(({ method }) => method === 'get')),
  };
}

/**
 * A single call that may be repeated never: there are always backends that nobody touches. Any other when it was under
 * way while a backend was killed or paused, as unavailable: what it did there nobody knows.
 */
function mayFail(call: Call, windows: readonly LossWindow[]): boolean {
  if (call.method === 'get' || call.code !== Code.Unavailable) return false;
  return windows.some((window) => overlap(call, window));
}

function overlap({ startedMs, endedMs }: Call, { fromMs, untilMs }: LossWindow): boolean {
  return startedMs <= untilMs && endedMs >= fromMs;
}

/** No call is under way, none is made up, and nothing was reported as an error. */
async function judgeRest({ scene, observer, output }: Facts, made: number): Promise<void> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  let open = '';
  do {
    const { endpoints } = await observer.ask();
    const leased = endpoints.filter(({ openCalls }) => openCalls > 0).map(shortOf);
    const counted = (await observer.metric('bascule_open_calls'))[''] ?? 0;
    const isRest = leased.length === 0 && counted === 0;
    open = isRest ? '' : `${leased.join()} and ${counted} calls are open after the last has ended`;
    if (!isRest) await pause(50);
  } while (open !== '' && performance.now() < deadlineMs);
  if (open !== '') scene.wrong(open);
  // Counts of endpoints leave with them, and calls that were given up early are nobody's: so not all are there.
  const counted = (await observer.metric('bascule_calls_total'))[''] ?? 0;
  if (counted > made + WARM_UP_CALLS) scene.wrong(`the gateway has counted ${counted} calls, and ${made} were made`);
  const lines = output().split('\n');
  for (const line of lines.filter((each) => each.includes('"level":"error"') || /^\s+at .*:\d+:\d+/.test(each))) {
    scene.wrong(`the gateway reported: ${line}`);
  }
}

/** A fault that nobody felt has tested nothing. */
function feel(scene: Scene, calls: readonly Call[], { windows, came }: Fleet): void {
  const wasMoved = ({ attempts, end }: Call): boolean => attempts > 1 || end === 'error';
  const waited = (call: Call): boolean => wasMoved(call) || call.endedMs - call.startedMs > 300;
  for (const window of windows) {
    const isFelt = window.kind === 'kill' ? wasMoved : waited;
    if (calls.some((call) => isFelt(call) && overlap(call, window))) scene.bit(window.kind);
  }
  for (const instanceId of came) {
    if (calls.some((call) => call.instanceId === instanceId)) scene.bit('restart');
  }
}
