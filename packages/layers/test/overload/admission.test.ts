import { Code, createVirtualClock, type AdmissionPolicy, type Criticality } from '@bascule/core';
import { fuzzing, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createAdmissionLayer, oddsFor, refusalOdds } from '../../src/overload/admission.ts';
import { createCallee, knownHead, turn } from '../rig.ts';

describe('refusalOdds', () => {
  it.each([
    ['nothing known', { calls: 0, failures: 0 }, 0],
    ['all well', { calls: 100, failures: 0 }, 0],
    ['at the threshold', { calls: 100, failures: 5 }, 0],
    ['half fail', { calls: 100, failures: 50 }, (100 - 50 / 0.95) / 101],
    ['all fail', { calls: 100, failures: 100 }, 100 / 101],
    ['twice as aggressive', { calls: 100, failures: 50, aggression: 2 }, Math.sqrt((100 - 50 / 0.95) / 101)],
    ['half is enough, and a quarter succeeds', { calls: 100, failures: 75, success: 0.5 }, 50 / 101],
    ['half is enough, as K = 2 in the SRE book', { calls: 100, failures: 50, success: 0.5 }, 0],
  ])('%s', (_what, facts, odds) => {
    expect(refusalOdds({ success: 0.95, aggression: 1, ...facts })).toBeCloseTo(odds, 10);
  });
});

describe('oddsFor', () => {
  it.each<[Criticality, number, number]>([
    ['default', 0.3, 0.3],
    ['sheddable', 0.3, 0.6],
    ['sheddable', 0.7, 1],
    ['critical', 0.3, 0],
    ['critical', 0.5, 0],
    ['critical', 0.75, 0.5],
    ['critical', 1, 1],
  ])('%s calls at %d', (criticality, odds, expected) => {
    expect(oddsFor(criticality, odds)).toBeCloseTo(expected, 10);
  });
});

const POLICY: AdmissionPolicy = { name: 'x' };

function createRig(policy = POLICY) {
  const { seed } = fuzzing(1);
  const clock = createVirtualClock(seed);
  const callee = createCallee();
  const refusals: string[] = [];
  const layer = createAdmissionLayer({ clock, onRefused: (_head, { name }) => void refusals.push(name) })(
    callee.service,
  );
  /** So many calls over so many seconds that end with this status; how many of them went through. */
  const run = (count: number, seconds: number, code: Code, criticality: Criticality = 'default'): number => {
    const before = callee.calls.length;
    for (let i = 0; i < count; i++) {
      const reached = callee.calls.length;
      startCall(layer, knownHead('unknown', 'unary', { policy: { admission: policy, criticality } }));
      if (callee.calls.length > reached) callee.calls.at(-1)?.reply.end(['grpc-status', String(code)]);
      clock.advance((seconds * 1_000) / count);
    }
    return callee.calls.length - before;
  };
  return { clock, run, layer, refusals, failing: `seed ${seed}` };
}

describe('createAdmissionLayer', () => {
  it('refuses nothing while all is well', () => {
    const { run } = createRig();
    expect(run(1_000, 10, Code.ok)).toBe(1_000);
    expect(run(1_000, 10, Code.notFound)).toBe(1_000);
    expect(run(1_000, 10, Code.canceled)).toBe(1_000);
  });

  it('refuses up to 80 % when all fail, and says why', async () => {
    const { run, layer, refusals, failing } = createRig();
    run(1_000, 10, Code.unavailable);
    const before = refusals.length;
    const through = run(5_000, 50, Code.resourceExhausted);
    expect(refusals.length - before, failing).toBe(5_000 - through);
    expect(through, failing).toBeGreaterThan(850);
    expect(through, failing).toBeLessThan(1_150);
    const calls = Array.from({ length: 50 }, () =>
      startCall(layer, knownHead('unknown', 'unary', { policy: { admission: POLICY } })),
    );
    await turn();
    const refused = calls.find(({ error }) => error !== undefined);
    expect(refused?.error, failing).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
    expect(refused?.error?.message).toBe('test fails too often, so 80 of 100 calls are not made; try again later');
  });

  it('lets all through below five calls a second', () => {
    const { run } = createRig();
    expect(run(400, 100, Code.unavailable)).toBe(400);
  });

  it('lets all through again once the window has passed', () => {
    const { clock, run, failing } = createRig({ ...POLICY, windowMs: 10_000 });
    run(1_000, 10, Code.unavailable);
    expect(run(100, 1, Code.ok), failing).toBeLessThan(60);
    clock.advance(11_000);
    expect(run(100, 1, Code.ok)).toBe(100);
  });

  it('refuses sheddable calls first, and critical ones last', () => {
    const { run, failing } = createRig();
    // Three of ten fail: odds of about 26 %.
    for (let i = 0; i < 100; i++) {
      run(7, 0.5, Code.ok, 'critical');
      run(3, 0.5, Code.unavailable, 'critical');
    }
    const before = { critical: 0, default: 0, sheddable: 0 };
    for (let i = 0; i < 200; i++) {
      for (const criticality of ['critical', 'default', 'sheddable'] as const) {
        before[criticality] += run(1, 0.01, i % 10 < 7 ? Code.ok : Code.unavailable, criticality);
      }
    }
    expect(before.critical, failing).toBe(200);
    expect(before.default, failing).toBeGreaterThan(120);
    expect(before.default, failing).toBeLessThan(170);
    expect(before.sheddable, failing).toBeGreaterThan(60);
    expect(before.sheddable, failing).toBeLessThan(125);
  });

  it('says how many it refuses to calls that ask', () => {
    const { run, layer } = createRig();
    run(1_000, 10, Code.unavailable);
    const explanation = { dryRun: false, notes: [] as string[], attempts: [] };
    startCall(layer, knownHead('unknown', 'unary', { policy: { admission: POLICY }, explanation }));
    expect(explanation.notes).toEqual(['admission "x": 80 of 100 such calls are refused']);
  });

  it('passes calls without a policy, and leaves nothing running', () => {
    const { clock, layer } = createRig();
    startCall(layer, knownHead('unknown'));
    expect(clock.pending()).toBe(0);
  });
});
