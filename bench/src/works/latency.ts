import { startEchoBackends } from '../backends/echo-backends.ts';
import type { GoBackend } from '../backends/go-backend.ts';
import { describePauses, readPauses, sizeOf } from '../contest/collector.ts';
import { describeCores, inFolder, startGateways, stopContestants, type Contestant } from '../contest/contestant.ts';
import { findMissed, type Goal } from '../contest/goals.ts';
import { planOf, type Plan } from '../contest/plan.ts';
import { runRounds, toCallWords } from '../contest/rounds.ts';
import { addRows, CPU_PER_CALL, type Column } from '../contest/rows.ts';
import { takeSample, type Load, type Sample } from '../contest/sample.ts';
import { ECHO_METHOD } from '../drivers/echo-probe.ts';
import type { WireReport } from '../drivers/wire-driver.ts';
import { medianOf } from '../statistics.ts';
import type { Work, WorkContext } from '../work.ts';

const CALL = { protocol: 'grpc-web', path: `/${ECHO_METHOD}` } as const;

/** As in the closed loops, so that what saturates one side is known from there. */
const EDGES: readonly Omit<Load, 'call' | 'perSecond'>[] = [
  { name: 'HTTP/1.1, 32 connections', http: '1.1', connections: 32, inFlight: 1 },
  { name: 'h2c, 8 connections', http: '2', connections: 8, inFlight: 100 },
];

/** Calls at once that saturate: as many streams per connection as the closed loop over HTTP/2 has. */
const SATURATING_STREAMS = 32;
const SHARES = [0.5, 0.9];

const LATENCIES = [
  { metric: 'p50', read: (report: WireReport) => report.p50Ms, max: 1 },
  { metric: 'p99', read: (report: WireReport) => report.p99Ms, max: 1 },
  { metric: 'p99.9', read: (report: WireReport) => report.p999Ms, max: 2 },
] as const;

const COLUMNS: readonly Column[] = LATENCIES.map(({ metric, read }) => ({
  metric,
  unit: 'ms',
  read: ({ report }) => read(report),
}));

const MORE: readonly Column[] = [
  { metric: 'longest', unit: 'ms', read: ({ report }) => report.maxMs },
  { metric: 'driver late, p99', unit: 'ms', read: ({ report }) => report.lagP99Ms },
  { metric: 'driver late, longest', unit: 'ms', read: ({ report }) => report.lagMaxMs },
  { metric: 'calls', unit: '1/s', read: ({ report }) => report.ok / report.seconds },
  CPU_PER_CALL,
];

/** Latency in an open loop, from the moment each call was due, at rates that are shares of what saturates Envoy. */
export const runLatency: Work = async (context) => {
  const { flags, folder, print, report } = context;
  const plan = planOf(flags, { rounds: 5, seconds: 4 });
  const backends = await startEchoBackends(folder);
  print(
    'gRPC-Web unary, open loop: calls are due at equal distances, whatever becomes of those before; latency counts from',
  );
  print(
    "when a call was due, waiting for a free connection or stream included; rates are shares of Envoy's throughput in a",
  );
  print(`closed loop, measured first; ${plan.rounds} rounds of ${plan.seconds} s in turns`);
  print(describeCores());
  const wrong: string[] = [];
  const goals: Goal[] = [];
  for (const edge of EDGES) {
    const own = await inFolder(context, edge.http);
    const contestants = await startGateways(own, ['bascule', 'envoy'], backends, { http: edge.http });
    const saturation = await findSaturation(own, { edge, contestants, backends, plan, wrong });
    const loads = SHARES.map((share) => toLoad(edge, saturation, share));
    for (const load of loads) {
      const countersOf = (): GoBackend[] => backends;
      const samples = await runRounds(own, { contestants, load, plan, countersOf, wrong, toWords });
      addRows(report, { samples, compared: COLUMNS, more: MORE, peers: ['Envoy'] });
      goals.push(...LATENCIES.map(({ metric, max }) => ({ work: load.name, metric: `${metric} of Envoy's`, max })));
    }
    await stopContestants(own, contestants);
    await tracePauses(own, { loads, backends, plan, wrong });
  }
  print('');
  for (const backend of backends) await backend.end();
  return [...wrong, ...findMissed(context, goals)];
};

function toLoad(edge: (typeof EDGES)[number], saturation: number, share: number): Load {
  // Rounded, so that the next run has a chance to have the same.
  const perSecond = Math.max(100, Math.round((saturation * share) / 100) * 100);
  const percent = Math.round(share * 100);
  return { ...edge, name: `latency over ${edge.name}, ${percent} % of Envoy's`, perSecond, call: CALL };
}

interface Finding {
  readonly edge: (typeof EDGES)[number];
  readonly contestants: readonly Contestant[];
  readonly backends: readonly GoBackend[];
  readonly plan: Plan;
  readonly wrong: string[];
}

/** Calls per second that Envoy answers in a closed loop; without Envoy, those of whoever is there. */
async function findSaturation(
  context: WorkContext,
  { edge, contestants, backends, plan, wrong }: Finding,
): Promise<number> {
  const measured = contestants.filter(({ name }) => name === 'Envoy');
  const load: Load = {
    ...edge,
    name: `saturation over ${edge.name}`,
    inFlight: Math.min(edge.inFlight, SATURATING_STREAMS),
    call: CALL,
  };
  const samples = await runRounds(context, {
    contestants: measured.length > 0 ? measured : contestants.slice(0, 1),
    load,
    plan: { ...plan, rounds: Math.min(plan.rounds, 3), seconds: Math.min(plan.seconds, 2) },
    countersOf: () => backends,
    wrong,
    toWords: toCallWords,
  });
  addRows(context.report, { samples, compared: [CPU_PER_CALL], peers: [] });
  return medianOf(samples.map(({ report }) => report.ok / report.seconds));
}

interface Tracing {
  readonly loads: readonly Load[];
  readonly backends: readonly GoBackend[];
  readonly plan: Plan;
  readonly wrong: string[];
}

/** The same loads once more on a Bascule that writes down its collector's pauses: on the measured one that would cost. */
async function tracePauses(context: WorkContext, { loads, backends, plan, wrong }: Tracing): Promise<void> {
  const quiet = { ...context, flags: { ...context.flags, profile: undefined }, print: () => undefined };
  const own = await inFolder(quiet, 'traced');
  const [traced] = await startGateways(own, ['bascule'], backends, { traceCollector: true });
  if (traced?.collectorLog === undefined) return;
  for (const load of loads) {
    const { seconds, firstWarmUpSeconds } = plan;
    const from = sizeOf(traced.collectorLog);
    const sample = await takeSample({
      contestant: traced,
      load,
      seconds,
      warmUpSeconds: firstWarmUpSeconds,
      counters: backends,
      wrong,
    });
    const pauses = readPauses(traced.collectorLog, from);
    const totalSeconds = seconds + firstWarmUpSeconds;
    context.print(`collector of Bascule, ${load.name}: ${describePauses(pauses, totalSeconds, sample.report.maxMs)}`);
    const add = (metric: string, unit: string, value: number): void =>
      context.report.add({ work: load.name, subject: 'Bascule', metric, unit }, [value]);
    add('collector, longest pause', 'ms', Math.max(0, ...pauses));
    add('collector, pauses', '1/s', pauses.length / totalSeconds);
    add('longest call beside it', 'ms', sample.report.maxMs);
  }
  await stopContestants(own, [traced]);
}

function toWords({ report }: Sample): string {
  const { p50Ms, p99Ms, p999Ms, maxMs, failed } = report;
  const [p50, p99, p999, longest] = [p50Ms, p99Ms, p999Ms, maxMs].map((ms) => ms.toFixed(2));
  return `p50 ${p50}, p99 ${p99}, p99.9 ${p999}, longest ${longest} ms, ${failed} failed`;
}
