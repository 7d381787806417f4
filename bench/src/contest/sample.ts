import { countAll } from '../backends/echo-backends.ts';
import type { Counts } from '../backends/go-backend.ts';
import { cpuMicroseconds, residentMib } from '../cpu.ts';
import type { WireCall, WireReport } from '../drivers/wire-driver.ts';
import { nowMs, wait } from '../time.ts';
import type { Contestant } from './contestant.ts';

/** What is asked of a contestant. */
export interface Load {
  /** Heads its table. */
  readonly name: string;
  readonly http: '1.1' | '2';
  readonly tls?: boolean;
  readonly connections: number;
  /** Calls at once per connection. */
  readonly inFlight: number;
  /** Over all connections; undefined is a closed loop. */
  readonly perSecond?: number;
  readonly call: WireCall;
}

/** One contestant under one load for a while. */
export interface Sample {
  readonly contestant: string;
  readonly work: string;
  readonly report: WireReport;
  readonly cpuMicroseconds: number;
  readonly residentMib: number;
  /** Share of a core that driver and backends took: near 1 they were the bottleneck, and throughput is theirs. */
  readonly loadShare: number;
}

interface Counter {
  readonly pid?: number;
  count(): Promise<Counts>;
}

export interface Measurement {
  readonly contestant: Contestant;
  readonly load: Load;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Those who answer: backends, or the server itself. */
  readonly counters: readonly Counter[];
  /** Gets what makes a sample void. */
  readonly wrong: string[];
}

/** Planned calls that must at least have been made. */
const PLANNED_SHARE = 0.95;

/** Warms up on new connections, then measures on them. */
export async function takeSample(measurement: Measurement): Promise<Sample> {
  const { contestant, load, seconds, counters, wrong } = measurement;
  const { driver, pid, name } = contestant;
  // A server that counts is what is measured, no part of the load.
  const pids = [driver.pid, ...counters.flatMap((counter) => counter.pid ?? [])].filter((each) => each !== pid);
  const loadCpu = (): number => pids.reduce((sum, each) => sum + cpuMicroseconds(each), 0);
  await warmUp(measurement);
  const countedBefore = await countAll(counters);
  const [startedMs, cpuBefore, loadCpuBefore] = [nowMs(), cpuMicroseconds(pid), loadCpu()];
  await driver.start(load);
  await wait(seconds * 1000);
  const report = await driver.stop();
  const cpu = cpuMicroseconds(pid) - cpuBefore;
  const loadShare = (loadCpu() - loadCpuBefore) / 1000 / (nowMs() - startedMs);
  const counted = await countAll(counters);
  const complain = (what: string): void => void wrong.push(`${name}, ${load.name}: ${what}`);
  if (report.failed > 0) complain(`${report.failed} calls failed: ${report.faults.join('; ')}`);
  const calls = counted.calls - countedBefore.calls;
  if (calls !== report.ok) complain(`void, the driver has ${report.ok} good answers, those who answer made ${calls}`);
  const messages = counted.messages - countedBefore.messages;
  if (load.call.messages !== undefined && messages !== report.messages) {
    complain(`void, ${messages} messages were sent and ${report.messages} came`);
  }
  if (report.started < report.planned * PLANNED_SHARE) {
    complain(`void, ${report.started} of ${report.planned} planned calls were made`);
  }
  if (report.ok === 0) complain('void, no call was made');
  const { name: work } = load;
  return { contestant: name, work, report, cpuMicroseconds: cpu, residentMib: residentMib(pid), loadShare };
}

/** Calls whose outcome counts for nothing. */
export async function warmUp({
  contestant,
  load,
  warmUpSeconds,
}: Omit<Measurement, 'counters' | 'wrong' | 'seconds'>): Promise<void> {
  const { driver, port } = contestant;
  await driver.connect({ port, http: load.http, tls: load.tls ?? false, connections: load.connections });
  await driver.start(load);
  await wait(warmUpSeconds * 1000);
  await driver.stop();
}
