import { percentileOf } from '../statistics.ts';
import { nowMs } from '../time.ts';

/** One call as its driver saw it. Moments are of the machine's monotonic clock. */
export interface CallNote {
  readonly callId: string;
  readonly startedMs: number;
  readonly endedMs: number;
  /** `grpc-status`, or -1 where none came. */
  readonly code: number;
  readonly fault: string;
  /** What the gateway said of it; 0 and empty where it said nothing. */
  readonly attempts: number;
  readonly endpoint: string;
}

/** How the calls between start and stop went. Plain data. */
export interface UnaryReport {
  /** From start to stop. */
  readonly seconds: number;
  /** Calls that were due; 0 without a pace. */
  readonly planned: number;
  readonly started: number;
  readonly ok: number;
  readonly failed: number;
  /** The first different reasons. */
  readonly faults: readonly string[];
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** When an answer came from another version than the answer before it. */
  readonly versionChanges: readonly { readonly version: string; readonly atMs: number }[];
  readonly calls: readonly CallNote[];
}

const MAX_FAULTS = 5;

/** Counts while a driver runs. */
export function createTally(keepCalls: boolean) {
  const startedMs = nowMs();
  const faults = new Set<string>();
  const calls: CallNote[] = [];
  const versionChanges: { version: string; atMs: number }[] = [];
  let latencies = new Float64Array(65_536);
  let planned = 0;
  let started = 0;
  let ok = 0;
  let failed = 0;

  return {
    planned: () => void planned++,
    started: () => void started++,
    /** Calls that are due and have not started. */
    behind: () => planned - started,
    ended(latencyMs: number, fault: string) {
      if (fault !== '') {
        failed++;
        if (faults.size < MAX_FAULTS) faults.add(fault);
        return;
      }
      if (ok === latencies.length) {
        const longer = new Float64Array(latencies.length * 2);
        longer.set(latencies);
        latencies = longer;
      }
      latencies[ok++] = latencyMs;
    },
    answeredBy(version: string, atMs: number) {
      if (versionChanges.at(-1)?.version !== version) versionChanges.push({ version, atMs });
    },
    keep: (call: CallNote) => void (keepCalls && calls.push(call)),
    report(stoppedMs: number): UnaryReport {
      const sorted = latencies.subarray(0, ok).sort();
      return {
        seconds: (stoppedMs - startedMs) / 1000,
        planned,
        started,
        ok,
        failed,
        faults: [...faults],
        p50Ms: percentileOf(sorted, 0.5),
        p99Ms: percentileOf(sorted, 0.99),
        maxMs: percentileOf(sorted, 1),
        versionChanges,
        calls,
      };
    },
  };
}
