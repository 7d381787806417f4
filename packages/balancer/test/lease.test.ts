import { Code, createVirtualClock, OK_OUTCOME, type MethodKind, type Outcome } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createBalancer, resolveBalancing, type BalancingPolicy } from '../src/index.ts';
import { createLinks, endpointOf, headOf, keyOf } from './rig.ts';

const TIMED = { policy: { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 } } as const;
const LEAST_REQUEST = { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 } as const;
const FAILED: Outcome = { code: Code.unavailable, by: 'wire', message: '' };
const LEFT: Outcome = { code: Code.canceled, by: 'caller', message: '' };

function setUp(overrides: Partial<BalancingPolicy> = TIMED, ids = ['a']) {
  const clock = createVirtualClock(5);
  const balancer = createBalancer({ balancing: resolveBalancing(overrides), clock, connect: createLinks().connect });
  balancer.apply(ids.map((id) => ({ type: 'insert', endpoint: endpointOf(id) })));
  const pick = (kind: MethodKind = 'unary') => {
    const head = headOf();
    head.call.method = { service: 'a.B', method: 'C', kind, idempotency: 'unknown' };
    const lease = balancer.pick(head);
    if (lease === undefined) throw new Error('nobody can take calls');
    return lease;
  };
  return { clock, balancer, pick, latencyMs: () => balancer.members()[0]?.latencyMs };
}

describe('latency', () => {
  it('is not measured for policies that do not look at it', () => {
    const { clock, pick, latencyMs } = setUp({});
    const lease = pick();
    clock.advance(20);
    lease.release(OK_OUTCOME);
    expect(latencyMs()).toBeUndefined();
  });

  it('is that of the whole call, or of the first message of a stream', () => {
    const unary = setUp();
    const lease = unary.pick();
    unary.clock.advance(10);
    lease.answered();
    unary.clock.advance(10);
    lease.release(OK_OUTCOME);
    expect(unary.latencyMs()).toBe(20);
    for (const kind of ['server_stream', 'bidi_stream'] as const) {
      const stream = setUp();
      const open = stream.pick(kind);
      stream.clock.advance(10);
      open.answered();
      stream.clock.advance(60_000);
      open.answered();
      open.release(OK_OUTCOME);
      expect(stream.latencyMs()).toBeLessThanOrEqual(10);
    }
  });

  it('has no sample of a caller that left, nor of a failure that was quick', () => {
    const { clock, pick, latencyMs } = setUp();
    const left = pick();
    clock.advance(99);
    left.release(LEFT);
    expect(latencyMs()).toBeUndefined();
    const lease = pick();
    clock.advance(20);
    lease.release(OK_OUTCOME);
    const quick = pick();
    clock.advance(1);
    quick.release(FAILED);
    expect(latencyMs()).toBe(20);
    const slow = pick();
    clock.advance(500);
    slow.release(FAILED);
    expect(latencyMs()).toBeGreaterThan(20);
  });

  it('is measured from when the policy looks at it, over a change of policies', () => {
    const { clock, balancer, pick, latencyMs } = setUp({});
    const before = pick();
    balancer.configure(resolveBalancing(TIMED));
    const lease = pick();
    clock.advance(20);
    before.release(OK_OUTCOME);
    expect(latencyMs()).toBeUndefined();
    lease.release(OK_OUTCOME);
    expect(latencyMs()).toBe(20);
  });
});

describe('load', () => {
  it('counts messages of streams: the stream that talks is avoided', () => {
    const { clock, pick } = setUp({ policy: LEAST_REQUEST, messagesPerCall: 100 }, ['a', 'b']);
    const streams = [pick('bidi_stream'), pick('bidi_stream')];
    const loud = streams[0];
    for (let ms = 0; ms < 2_000; ms += 10) {
      for (let i = 0; i < 10; i++) loud?.moved();
      clock.advance(10);
    }
    // 1,000 messages per second are about ten calls.
    const taken = Array.from({ length: 6 }, () => pick().endpoint.instanceId);
    expect(new Set(taken)).toEqual(new Set([streams[1]?.endpoint.instanceId]));
  });

  it('of a stream that has ended loses no comparison with who is idle', () => {
    const { clock, pick } = setUp({ messagesPerCall: 100, policy: LEAST_REQUEST }, ['a', 'b']);
    const stream = pick('bidi_stream');
    const { instanceId } = stream.endpoint;
    for (let i = 0; i < 50; i++) stream.moved();
    stream.release(OK_OUTCOME);
    clock.advance(500);
    const picked = Array.from({ length: 200 }, () => {
      const lease = pick();
      lease.release(OK_OUTCOME);
      return lease.endpoint.instanceId;
    });
    expect(picked.filter((id) => id === instanceId).length).toBeGreaterThan(50);
  });

  it('takes what an endpoint says of itself, by its key', () => {
    const { balancer } = setUp({});
    balancer.report(keyOf('a'), { utilization: 0.4, qps: 10, eps: 0 });
    balancer.report(keyOf('nobody'), { utilization: 0.9, qps: 10, eps: 0 });
    expect(balancer.members()[0]?.utilization).toBe(0.4);
    balancer.apply([{ type: 'update', endpoint: endpointOf('a', { port: 2 }) }]);
    expect(balancer.members()[0]?.utilization).toBeUndefined();
  });
});

describe('a lease', () => {
  it('can be lent again by who holds it, once released', () => {
    const { balancer } = setUp({}, ['a', 'b']);
    const slot = balancer.pick(headOf());
    if (slot === undefined) throw new Error('nobody can take calls');
    expect(() => balancer.pick(headOf(), slot)).toThrow('still lent');
    slot.release(OK_OUTCOME);
    expect(balancer.pick(headOf(), slot)).toBe(slot);
    expect(balancer.members().reduce((sum, { openCalls }) => sum + openCalls, 0)).toBe(1);
  });
});
