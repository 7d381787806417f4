import { Code, createRandom, createVirtualClock, OK_OUTCOME, type Outcome } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createBalancer, DEFAULT_OUTLIER, resolveBalancing, type OutlierPolicy } from '../../src/index.ts';
import { createLinks, endpointOf, headOf } from '../rig.ts';

const { seed: SEED } = fuzzing(1);
const FAILED: Outcome = { code: Code.unavailable, by: 'callee', message: '' };

/** 50 calls per second for `seconds`, by the share of calls that each endpoint fails at that second. */
function simulate(
  outlier: OutlierPolicy,
  count: number,
  seconds: number,
  fails: (i: number, second: number) => number,
) {
  const random = createRandom(SEED);
  const clock = createVirtualClock(SEED);
  const balancer = createBalancer({ balancing: resolveBalancing({ outlier }), clock, connect: createLinks().connect });
  const endpoints = Array.from({ length: count }, (_, i) => endpointOf(`e${i}`));
  balancer.apply(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
  const failures: number[] = [];
  const ejected: number[] = [];
  for (let second = 0; second < seconds; second++) {
    let failed = 0;
    for (let call = 0; call < 50; call++) {
      const lease = balancer.pick(headOf());
      if (lease === undefined) throw new Error(`nobody took a call in second ${second}, FUZZ_SEED=${SEED}`);
      clock.advance(20);
      const isFailure = random() < fails(Number(lease.endpoint.instanceId.slice(1)), second);
      if (isFailure) failed++;
      lease.release(isFailure ? FAILED : OK_OUTCOME);
    }
    failures.push(failed);
    ejected.push(balancer.members().filter(({ standing }) => standing === 'ejected').length);
  }
  const sum = (from: number, to: number) => failures.slice(from, to).reduce((a, b) => a + b, 0);
  return { balancer, clock, ejected, failures: sum, said: `FUZZ_SEED=${SEED}` };
}

describe('ejection over ten minutes', () => {
  it('costs a few calls where two of ten fail all, and takes them back once they are well', () => {
    // Ill from 60 s to 360 s: 300 s of 10 calls a second would fail without ejection.
    const isIll = (i: number, second: number) => (i < 2 && second >= 60 && second < 360 ? 1 : 0);
    const { balancer, ejected, failures, said } = simulate(DEFAULT_OUTLIER, 10, 600, isIll);
    expect(Math.max(...ejected), said).toBe(2);
    // Five each to be found, and a probe now and then.
    expect(failures(0, 600), said).toBeLessThan(40);
    expect(balancer.members().map(({ standing }) => standing)).toEqual(Array.from({ length: 10 }, () => 'in'));
  });

  it('never takes out more than half, and leaves nobody without an answer, when all fail', () => {
    const { ejected, balancer, clock, said } = simulate(DEFAULT_OUTLIER, 6, 600, (_, second) => (second < 300 ? 1 : 0));
    expect(Math.max(...ejected), said).toBe(3);
    expect(ejected.at(-1), said).toBe(0);
    clock.advance(600_000);
    expect(balancer.members().some(({ standing }) => standing === 'ejected')).toBe(false);
  });

  it('finds one that fails 30 % by comparing, which a row of failures finds late', () => {
    const successRate = { stdevFactor: 1.9, minEndpoints: 5, minCalls: 30 };
    const thirty = (i: number) => (i === 3 ? 0.3 : 0);
    const compared = simulate({ ...DEFAULT_OUTLIER, successRate }, 10, 300, thirty);
    expect(compared.ejected.slice(0, 30).includes(1), compared.said).toBe(true);
    const { successRate: _, ...rowOnly } = { ...DEFAULT_OUTLIER, successRate };
    const alone = simulate(rowOnly, 10, 300, thirty);
    expect(compared.failures(0, 300), compared.said).toBeLessThan(alone.failures(0, 300));
  });

  it('ejects nobody where all fail alike now and then', () => {
    const successRate = { stdevFactor: 3, minEndpoints: 5, minCalls: 20 };
    const { ejected, said } = simulate({ ...DEFAULT_OUTLIER, successRate }, 8, 300, () => 0.02);
    expect(Math.max(...ejected), said).toBe(0);
  });
});
