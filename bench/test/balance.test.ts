import { describe, expect, it } from 'vitest';
import type { PolicySpec } from '@bascule/balancer';
import { nameOf, SPECS } from '../src/balance/policies.ts';
import { SCENARIOS } from '../src/balance/scenarios.ts';
import { simulate, type Result } from '../src/balance/simulate.ts';

const SEED = 601_749_810;
const scenario = {
  ...(SCENARIOS['mixed, 50 % load'] as (typeof SCENARIOS)[string]),
  durationMs: 20_000,
  warmUpMs: 5_000,
};

function run(name: string | undefined, seed = SEED): Result {
  const spec = SPECS.find((one: PolicySpec) => nameOf(one) === name);
  if (name !== undefined && spec === undefined) throw new Error(`there is no policy ${name}`);
  return simulate(scenario, spec, seed);
}

describe(`servers that are not alike (seed ${SEED})`, () => {
  const turns = run('round-robin');
  const best = run(undefined);

  it.each(['least-request of 2', 'least-response-time', 'peak-ewma'])('are used better by %s than in turn', (name) => {
    const { p99Ms } = run(name);
    expect(p99Ms).toBeLessThan(turns.p99Ms / 2);
    expect(p99Ms).toBeGreaterThan(best.p99Ms);
  });

  it('are used best by who looks at latency', () => {
    expect(run('peak-ewma').p99Ms).toBeLessThan(run('least-request of 2').p99Ms);
  });

  it('are the same for one seed, and others for another', () => {
    expect(run('peak-ewma')).toEqual(run('peak-ewma'));
    expect(run('peak-ewma', SEED + 1)).not.toEqual(run('peak-ewma'));
  });
});
