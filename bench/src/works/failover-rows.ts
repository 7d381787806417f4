import type { WorkContext } from '../work.ts';
import type { Kill } from './failover-judge.ts';

const WORKS = {
  rank: 'killed under calls without side effects',
  vote: 'killed under calls that are not idempotent',
} as const;

/** Adds what all kills of one kind did; the worst is the largest value of each row. */
export function addKillRows({ report }: WorkContext, probe: keyof typeof WORKS, kills: readonly Kill[]): void {
  const add = (metric: string, unit: string, read: (kill: Kill) => number): void =>
    report.add({ work: WORKS[probe], subject: 'Bascule', metric, unit }, kills.map(read));
  report.add({ work: WORKS[probe], subject: 'Bascule', metric: 'kills', unit: '' }, [kills.length]);
  add('calls', '', (kill) => kill.calls);
  add('rate', '1/s', (kill) => kill.callsPerSecond);
  add('in flight on the killed', '', (kill) => kill.inFlight);
  add('failed', '', (kill) => kill.failed);
  add('repeated', '', (kill) => kill.retries);
  add('executed twice', '', (kill) => kill.executedTwice);
  add('last pick after the kill', 'ms', (kill) => kill.lastPickMs);
  add('last failure after the kill', 'ms', (kill) => kill.lastFailureMs);
  add('latency of calls, p99', 'ms', (kill) => kill.p99Ms);
  add('latency of calls, longest', 'ms', (kill) => kill.maxMs);
}
