import { nameOf, SPECS } from '../balance/policies.ts';
import { playReal, REAL_POLICIES, REAL_SHAPE } from '../balance/real.ts';
import { SCENARIOS } from '../balance/scenarios.ts';
import { simulate, type Result } from '../balance/simulate.ts';
import type { Round } from '../resilience/round.ts';
import type { Work, WorkContext } from '../work.ts';

const SEED = 20_261_121;
const BEST = 'theoretical best';

/** What each policy makes of servers that are not alike, in virtual time, beside who sees every queue. */
export const runBalance: Work = async (context) => {
  const { flags, print } = context;
  const rounds = flags.rounds ?? (flags.quick || flags.smoke ? 1 : 5);
  const seeds = Array.from({ length: rounds }, (_, i) => SEED + i);
  print(
    `4 gateways that know nothing of each other, servers of 8 slots, exponential times of service of 10 ms, calls by`,
  );
  print(`Poisson with bursts of 2 times the rate, deadline 2 s, no retries, no ejection; seeds ${seeds.join(', ')}\n`);
  const wrong: string[] = [];
  for (const [work, full] of Object.entries(SCENARIOS)) {
    const scenario = flags.smoke ? { ...full, durationMs: 25_000 } : full;
    const results = new Map<string, Result[]>();
    for (const spec of [undefined, ...SPECS]) {
      const name = spec === undefined ? BEST : nameOf(spec);
      if (flags.subjects !== undefined && !flags.subjects.includes(name)) continue;
      results.set(
        name,
        seeds.map((seed) => simulate(scenario, spec, seed)),
      );
    }
    addRows(context, work, results);
    wrong.push(...judge(work, results));
  }
  if (flags.smoke) return wrong;
  const faultMs = (flags.seconds ?? 8) * 1_000;
  print(`${REAL_SHAPE}; ${faultMs / 1_000} s each`);
  const wanted = REAL_POLICIES.filter((policy) => flags.subjects?.includes(policy) ?? true);
  for (const policy of wanted) {
    addRealRows(context, policy, [await playReal(context.folder, policy, faultMs)]);
  }
  return wrong;
};

function addRealRows({ report }: WorkContext, subject: string, rounds: readonly Round[]): void {
  const add = (metric: string, unit: string, read: (round: Round) => number): void =>
    report.add({ work: 'mixed, real', subject, metric, unit }, rounds.map(read));
  add('calls', '', ({ calls }) => calls);
  add('p50', 'ms', ({ p50Ms }) => p50Ms);
  add('p99', 'ms', ({ p99Ms }) => p99Ms);
  add('p99.9', 'ms', ({ p999Ms }) => p999Ms);
  add('failed', '%', ({ failed, calls }) => (failed * 100) / calls);
}

function addRows({ report }: WorkContext, work: string, results: ReadonlyMap<string, readonly Result[]>): void {
  const best = results.get(BEST) ?? [];
  for (const [subject, all] of results) {
    const add = (metric: string, unit: string, read: (result: Result, round: number) => number): void =>
      report.add({ work, subject, metric, unit }, all.map(read));
    add('p50', 'ms', ({ p50Ms }) => p50Ms);
    add('p99', 'ms', ({ p99Ms }) => p99Ms);
    add('of the best', 'x', ({ p99Ms }, round) => p99Ms / (best[round]?.p99Ms ?? NaN));
    add('p99.9', 'ms', ({ p999Ms }) => p999Ms);
    add('failed', '%', ({ failedShare }) => failedShare * 100);
    add('of which late', '%', ({ lateShare }) => lateShare * 100);
  }
}

/** What the literature says of servers that are not alike: who looks at load or latency beats who takes turns. */
function judge(work: string, results: ReadonlyMap<string, readonly Result[]>): string[] {
  const turns = results.get('round-robin');
  if (turns === undefined || !work.startsWith('mixed')) return [];
  return ['least-request of 2', 'peak-ewma'].flatMap((name) => {
    const worse = (results.get(name) ?? []).filter(({ p99Ms }, i) => p99Ms >= (turns[i]?.p99Ms ?? 0));
    return worse.length === 0 ? [] : [`${work}: ${name} has no lower p99 than round robin in ${worse.length} rounds`];
  });
}
