import { CANCELED_OUTCOME, createVirtualClock, OK_OUTCOME } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createBalancer, resolveBalancing } from '../src/index.ts';
import { createLinks, endpointOf, headOf } from './rig.ts';

const RESPREAD = { perSecond: 10, tolerancePercent: 20 };

function rig(respread: typeof RESPREAD | 'off' = RESPREAD) {
  const clock = createVirtualClock(5);
  const balancer = createBalancer({
    balancing: resolveBalancing(respread === 'off' ? {} : { respread }),
    clock,
    connect: createLinks().connect,
  });
  const insert = (...ids: string[]): void =>
    balancer.apply(ids.map((id) => ({ type: 'insert', endpoint: endpointOf(id) })));
  let asked = 0;
  /** A stream that begins anew when it is asked to move. */
  const open = (): void => {
    const lease = balancer.pick(headOf());
    lease?.movable(() => {
      asked++;
      lease.release(CANCELED_OUTCOME);
      open();
    });
  };
  const spread = (): number[] => balancer.members().map(({ openCalls }) => openCalls);
  return { clock, balancer, insert, open, spread, asked: () => asked };
}

describe('respread', () => {
  it('brings streams to endpoints that have come, a few a second, and then lets them be', () => {
    const { clock, insert, open, spread, asked } = rig();
    insert('a', 'b');
    for (let i = 0; i < 60; i++) open();
    clock.advance(5_000);
    expect([spread(), asked()]).toEqual([[30, 30], 0]);
    insert('c');
    clock.advance(1_000);
    expect(asked()).toBe(10);
    clock.advance(10_000);
    const [a = 0, b = 0, c = 0] = spread();
    expect(a + b + c).toBe(60);
    expect(Math.max(a, b, c)).toBeLessThanOrEqual(24);
    const before = asked();
    clock.advance(60_000);
    expect(asked()).toBe(before);
    expect(before).toBeLessThan(30);
  });

  it('asks nobody unless it is wanted, and no call that has not said that it can move', () => {
    const off = rig('off');
    off.insert('a');
    for (let i = 0; i < 10; i++) off.open();
    off.insert('b');
    off.clock.advance(60_000);
    expect([off.asked(), off.clock.pending()]).toEqual([0, 0]);

    const on = rig();
    on.insert('a');
    const leases = Array.from({ length: 10 }, () => on.balancer.pick(headOf()));
    on.insert('b');
    on.clock.advance(60_000);
    expect(on.spread()).toEqual([10, 0]);
    for (const lease of leases) lease?.release(OK_OUTCOME);
  });

  it('asks each call once, and keeps no timer when the last has ended', () => {
    const { clock, balancer, insert } = rig({ perSecond: 1_000, tolerancePercent: 0 });
    insert('a');
    let asked = 0;
    const leases = Array.from({ length: 4 }, () => balancer.pick(headOf()));
    // Callers that do nothing about it.
    for (const lease of leases) lease?.movable(() => void asked++);
    insert('b');
    clock.advance(60_000);
    expect(asked).toBeLessThanOrEqual(4);
    for (const lease of leases) lease?.release(OK_OUTCOME);
    clock.advance(5_000);
    expect([balancer.members().map(({ openCalls }) => openCalls), clock.pending()]).toEqual([[0, 0], 0]);
  });
});
