import { join } from 'node:path';
import { LOAD_CORE, startRole } from '../process.ts';
import { percentileOf } from '../statistics.ts';
import { nowMs, wait } from '../time.ts';
import type { Execution, FaultBackend } from './fault-backend.ts';
import type { Fault } from './faults.ts';
import type { OpenLoopCall } from './open-loop-process.ts';

interface RoundOptions {
  readonly folder: string;
  readonly port: number;
  readonly backends: readonly FaultBackend[];
  readonly fault: Fault;
  readonly driver: number;
  readonly perSecond: number;
  readonly timeoutMs: number;
  readonly beforeMs: number;
  readonly faultMs: number;
  readonly afterMs: number;
}

/** What one fault did to one subject. Latencies are of all calls due while the fault was there, failed ones included. */
export interface Round {
  readonly calls: number;
  readonly failed: number;
  /** Failed of those due before the fault. Any makes the round void. */
  readonly failedBefore: number;
  readonly failedAfter: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
  /** Executions at backends per call, over the whole run: credit of the good time before counts with the calls it is of. */
  readonly upstreamPerCall: number;
  /** The same in the worst second. */
  readonly worstUpstreamPerCall: number;
  /** Calls due from the start of the fault to the last failed one, in ms. */
  readonly lastFailureMs: number;
  /** How calls failed, most frequent first. */
  readonly faults: readonly string[];
}

/** Time for what was stuck in a paused backend to be executed there. */
const SETTLE_MS = 500;

/** Plays a fault under load. */
export async function playRound(options: RoundOptions): Promise<Round> {
  const { folder, port, backends, fault, driver, perSecond, timeoutMs } = options;
  for (const backend of backends) await backend.clear();
  const about = { logFile: join(folder, `open-loop-${driver}.log`), core: LOAD_CORE };
  const child = startRole('open-loop-driver', { port, driver, timeoutMs }, about);
  try {
    await child.ready;
    await child.ask(JSON.stringify({ do: 'start', perSecond }));
    await wait(options.beforeMs);
    const startMs = nowMs();
    await fault.play(backends, options.faultMs);
    const endMs = nowMs();
    await wait(options.afterMs);
    const { calls } = await child.ask<{ calls: OpenLoopCall[] }>('{"do":"stop"}');
    await wait(SETTLE_MS);
    const executed = (await Promise.all(backends.map((backend) => backend.executed()))).flat();
    return judge(calls, executed, startMs, endMs);
  } finally {
    await child.stop();
  }
}

function judge(calls: readonly OpenLoopCall[], executed: readonly Execution[], startMs: number, endMs: number): Round {
  const during = calls.filter(({ dueMs }) => dueMs >= startMs && dueMs < endMs);
  const failed = calls.filter(({ fault }) => fault !== '');
  const failedDuring = failed.filter(({ dueMs }) => dueMs >= startMs && dueMs < endMs);
  const latencies = during.map(({ dueMs, endedMs }) => endedMs - dueMs).toSorted((a, b) => a - b);
  const reasons = Map.groupBy(failed, ({ fault }) => fault);
  return {
    calls: during.length,
    failed: failedDuring.length,
    // What was under way when the fault came is its as well.
    failedBefore: failed.filter(({ endedMs }) => endedMs < startMs).length,
    failedAfter: failed.length - failedDuring.length - failed.filter(({ endedMs }) => endedMs < startMs).length,
    p50Ms: percentileOf(latencies, 0.5),
    p99Ms: percentileOf(latencies, 0.99),
    p999Ms: percentileOf(latencies, 0.999),
    maxMs: percentileOf(latencies, 1),
    upstreamPerCall: executed.length / calls.length,
    worstUpstreamPerCall: worstSecond(calls, executed),
    lastFailureMs: Math.max(0, ...failed.map(({ dueMs }) => dueMs - startMs)),
    faults: [...reasons].toSorted((a, b) => b[1].length - a[1].length).map(([why, { length }]) => `${length} x ${why}`),
  };
}

/** A second with few calls says nothing: the first and the last one. */
function worstSecond(calls: readonly OpenLoopCall[], executed: readonly Execution[]): number {
  const secondOf = (ms: number): number => Math.floor(ms / 1000);
  const due = Map.groupBy(calls, ({ dueMs }) => secondOf(dueMs));
  const begun = Map.groupBy(executed, ({ atMs }) => secondOf(atMs));
  const most = Math.max(...[...due.values()].map(({ length }) => length));
  const full = [...due].filter(([, { length }]) => length * 2 >= most);
  return Math.max(...full.map(([second, { length }]) => (begun.get(second)?.length ?? 0) / length));
}
