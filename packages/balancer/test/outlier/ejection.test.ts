import { Code, createVirtualClock, OK_OUTCOME, type Outcome } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createBalancer, DEFAULT_OUTLIER, resolveBalancing, type OutlierPolicy } from '../../src/index.ts';
import { createLinks, endpointOf, headOf, keyOf } from '../rig.ts';

const FAILED: Outcome = { code: Code.unavailable, by: 'callee', message: '' };
const LEFT: Outcome = { code: Code.canceled, by: 'caller', message: '' };

/** Endpoints `a`, `b`, ... of which those in `bad` fail. */
function setUp(count: number, outlier: OutlierPolicy | undefined = DEFAULT_OUTLIER, kind?: 'unary') {
  const clock = createVirtualClock(11);
  const links = createLinks();
  const policy = { name: 'round-robin', weighted: true } as const;
  const balancing = resolveBalancing({ policy, ...(outlier === undefined ? {} : { outlier }) });
  const balancer = createBalancer({ balancing, clock, connect: links.connect });
  const ids = Array.from({ length: count }, (_, i) => String.fromCharCode(97 + i));
  balancer.apply(ids.map((id) => ({ type: 'insert', endpoint: endpointOf(id) })));
  const bad = new Set<string>();
  const head = headOf();
  if (kind !== undefined) head.call.method = { service: 'a.B', method: 'C', kind, idempotency: 'unknown' };
  const call = () => {
    const lease = balancer.pick(head);
    const id = lease?.endpoint.instanceId ?? '';
    return { id, lease, end: (outcome: Outcome = bad.has(id) ? FAILED : OK_OUTCOME) => lease?.release(outcome) };
  };
  const run = (calls: number): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (let i = 0; i < calls; i++) {
      const { id, end } = call();
      counts[id] = (counts[id] ?? 0) + 1;
      end();
    }
    return counts;
  };
  const standings = () => balancer.members().map(({ standing }) => standing);
  const ejected = () => standings().filter((standing) => standing === 'ejected').length;
  return { clock, balancer, bad, call, run, standings, ejected };
}

describe('failures in a row', () => {
  it('takes one of two out that fails always; the other gets all', () => {
    const { bad, run, standings, balancer, clock } = setUp(2);
    bad.add('b');
    expect(run(10)).toEqual({ a: 5, b: 5 });
    expect(standings()).toEqual(['in', 'ejected']);
    expect(run(20)).toEqual({ a: 20 });
    clock.advance(1_500);
    expect(balancer.members()[1]?.problem).toBe('ejected for 29 s more: 5 failures in a row');
  });

  it('begins to count anew after a success', () => {
    const { bad, run, standings } = setUp(2);
    for (let round = 0; round < 3; round++) {
      bad.add('b');
      run(8);
      bad.clear();
      run(2);
    }
    expect(standings()).toEqual(['in', 'in']);
  });

  it('counts no caller that left and no refusal by the handler', () => {
    const { call, standings } = setUp(2);
    for (let i = 0; i < 40; i++) call().end(i % 2 === 0 ? LEFT : { ...FAILED, code: Code.notFound });
    expect(standings()).toEqual(['in', 'in']);
  });

  it('never takes out the last one, nor more than half', () => {
    for (const [count, most] of [
      [1, 0],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 2],
      [10, 5],
    ] as const) {
      const { bad, run, ejected, standings } = setUp(count);
      for (let i = 0; i < count; i++) bad.add(String.fromCharCode(97 + i));
      const got = run(count * 40);
      expect([count, ejected()]).toEqual([count, most]);
      // Nobody waits: calls go to those that are left.
      expect(got['']).toBeUndefined();
      expect(standings().includes('in')).toBe(true);
    }
  });

  it('takes out one even where the limit is less than one of them', () => {
    const { bad, run, ejected } = setUp(3, { ...DEFAULT_OUTLIER, maxEjectionPercent: 10 });
    bad.add('a').add('b');
    run(60);
    expect(ejected()).toBe(1);
  });

  it('counts nobody as out whose last calls fail when it has left', () => {
    const { bad, run, call, balancer } = setUp(3);
    const held = Array.from({ length: 30 }, () => call()).filter(({ id }) => id === 'a');
    balancer.apply([{ type: 'remove', key: keyOf('a'), cause: 'deregistered' }]);
    for (const { end } of held) end(FAILED);
    bad.add('b');
    run(20);
    const standingOf = (id: string) => balancer.members().find(({ endpoint }) => endpoint.instanceId === id)?.standing;
    expect(['a', 'b', 'c'].map(standingOf)).toEqual(['in', 'ejected', 'in']);
  });

  it('does nothing when switched off, and forgets all when that comes later', () => {
    const { bad, run, standings, balancer, clock } = setUp(2);
    bad.add('b');
    run(10);
    expect(standings()).toEqual(['in', 'ejected']);
    const { outlier: _, ...off } = resolveBalancing();
    balancer.configure(off);
    expect(standings()).toEqual(['in', 'in']);
    run(40);
    expect([standings(), clock.pending()]).toEqual([['in', 'in'], 0]);
  });
});

describe('probation', () => {
  it('gives one call at a time after its time, and takes back whom it succeeds with', () => {
    const { bad, run, call, clock, standings } = setUp(2);
    bad.add('b');
    run(10);
    clock.advance(29_999);
    expect(standings()).toEqual(['in', 'ejected']);
    clock.advance(1);
    expect(standings()).toEqual(['in', 'probing']);
    const calls = Array.from({ length: 6 }, () => call());
    expect(calls.filter(({ id }) => id === 'b')).toHaveLength(1);
    bad.clear();
    for (const { end } of calls) end();
    expect(standings()).toEqual(['in', 'in']);
    expect(run(10)).toEqual({ a: 5, b: 5 });
  });

  it('ejects anew, and for longer, whom it fails with', () => {
    const { bad, run, clock, standings } = setUp(2);
    bad.add('b');
    run(10);
    clock.advance(30_000);
    expect(run(10)).toEqual({ a: 9, b: 1 });
    expect(standings()).toEqual(['in', 'ejected']);
    clock.advance(50_000);
    expect(standings()).toEqual(['in', 'ejected']);
    clock.advance(10_000);
    expect(standings()).toEqual(['in', 'probing']);
  });

  it('asks again when the caller of the probe left', () => {
    const { bad, run, call, clock, standings } = setUp(2);
    bad.add('b');
    run(10);
    clock.advance(30_000);
    const first = [call(), call()].find(({ id }) => id === 'b');
    first?.end(LEFT);
    expect(standings()).toEqual(['in', 'probing']);
    bad.clear();
    run(4);
    expect(standings()).toEqual(['in', 'in']);
  });

  it('takes the first message of a stream for a success', () => {
    const { bad, run, call, clock, standings } = setUp(2);
    bad.add('b');
    run(10);
    clock.advance(30_000);
    const probe = [call(), call()].find(({ id }) => id === 'b');
    probe?.lease?.answered();
    expect(standings()).toEqual(['in', 'in']);
    probe?.lease?.release(FAILED);
    expect(standings()).toEqual(['in', 'in']);
  });

  it('hears nothing late: a call from before the ejection is no probe', () => {
    const { bad, run, call, clock, standings } = setUp(2);
    const early = [call(), call()].find(({ id }) => id === 'b');
    bad.add('b');
    run(10);
    clock.advance(30_000);
    early?.end(OK_OUTCOME);
    expect(standings()).toEqual(['in', 'probing']);
  });

  it('hears nothing late: neither does a probe from before another ejection', () => {
    const { bad, run, call, clock, balancer, standings } = setUp(2);
    bad.add('b');
    run(10);
    clock.advance(30_000);
    const probe = [call(), call()].find(({ id }) => id === 'b');
    for (const health of ['failing', 'healthy'] as const) {
      balancer.apply([{ type: 'update', endpoint: endpointOf('b', { health }) }]);
    }
    run(10);
    clock.advance(60_000);
    expect(standings()).toEqual(['in', 'probing']);
    probe?.end(OK_OUTCOME);
    expect(standings()).toEqual(['in', 'probing']);
  });

  it('gives more than one when nobody else can take calls', () => {
    const { bad, run, call, clock, balancer, standings } = setUp(2);
    bad.add('b');
    run(10);
    clock.advance(30_000);
    balancer.apply([{ type: 'remove', key: keyOf('a'), cause: 'deregistered' }]);
    expect(standings()[0]).toBe('probing');
    expect([call().id, call().id]).toEqual(['b', 'b']);
  });

  it('is over when an active check passes that failed', () => {
    const { bad, run, balancer, standings } = setUp(2);
    bad.add('b');
    run(10);
    balancer.apply([{ type: 'update', endpoint: endpointOf('b', { health: 'failing' }) }]);
    expect(standings()).toEqual(['in', 'ejected']);
    balancer.apply([{ type: 'update', endpoint: endpointOf('b') }]);
    expect(standings()).toEqual(['in', 'in']);
  });
});

describe('sweeps', () => {
  const rules: OutlierPolicy = {
    ...DEFAULT_OUTLIER,
    consecutiveFailures: 0,
    successRate: { stdevFactor: 1.9, minEndpoints: 5, minCalls: 20 },
  };

  it('takes out who fails more than the others, at the end of the interval', () => {
    const { run, call, clock, standings } = setUp(5, rules);
    for (let i = 0; i < 200; i++) {
      const { id, end } = call();
      end(id === 'c' && i % 3 === 0 ? FAILED : OK_OUTCOME);
    }
    expect(standings()).toEqual(['in', 'in', 'in', 'in', 'in']);
    clock.advance(10_000);
    expect(standings()).toEqual(['in', 'in', 'ejected', 'in', 'in']);
    expect(run(8)).toEqual({ a: 2, b: 2, d: 2, e: 2 });
  });

  it('takes out who is slower than the others', () => {
    const outlier = { ...rules, latency: { factor: 3, minEndpoints: 3, minCalls: 5 } };
    const { call, clock, standings } = setUp(3, outlier, 'unary');
    for (let i = 0; i < 30; i++) {
      const { id, end } = call();
      clock.advance(id === 'b' ? 100 : 10);
      end();
    }
    clock.advance(10_000);
    expect(standings()).toEqual(['in', 'ejected', 'in']);
  });

  it('has no timer while nobody calls and nobody is out', () => {
    const { run, clock, bad, balancer } = setUp(5, rules);
    expect(clock.pending()).toBe(0);
    run(5);
    expect(clock.pending()).toBe(1);
    clock.advance(10_000);
    // One more interval, to see that nobody called in it.
    expect(clock.pending()).toBe(1);
    clock.advance(10_000);
    expect(clock.pending()).toBe(0);
    bad.add('a');
    run(200);
    clock.advance(10_000);
    expect(balancer.members()[0]?.standing).toBe('ejected');
    clock.advance(300_000);
    expect([balancer.members()[0]?.standing, clock.pending()]).toEqual(['probing', 0]);
  });

  it('goes on with the others when somebody ejected leaves', () => {
    const { bad, run, ejected, balancer } = setUp(4);
    bad.add('a').add('b');
    run(40);
    expect(ejected()).toBe(2);
    balancer.apply([{ type: 'remove', key: keyOf('a'), cause: 'retired' }]);
    balancer.apply([{ type: 'insert', endpoint: endpointOf('e') }]);
    bad.add('c');
    run(40);
    const standing = (id: string) => balancer.members().find(({ key }) => key === keyOf(id))?.standing;
    expect([standing('b'), standing('c')]).toEqual(['ejected', 'ejected']);
  });
});
