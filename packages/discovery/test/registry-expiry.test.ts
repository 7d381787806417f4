import { createRandom } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { Lease } from '../src/registry/lease.ts';
import { transition, type Preservation } from '../src/registry/self-preservation.ts';
import { openLeases, TTL_MS } from './leases-rig.ts';
import { createSleepyClock } from './registry-rig.ts';
import { closeAll } from './rig.ts';

afterEach(closeAll);

const many = (count: number, register: (id: string) => Lease): Lease[] =>
  Array.from({ length: count }, (_, n) => register(`i${n}`));

describe('self-preservation', () => {
  it('holds from more than a handful and more than 15 % on', () => {
    const off: Preservation = { state: 'off' };
    const stateOf = (leases: number, silent: number, expired = 0): string =>
      transition(off, { leases, silent, expired }, 7).state;
    expect([stateOf(3, 3), stateOf(5, 5), stateOf(6, 6)]).toEqual(['off', 'off', 'holding']);
    expect([stateOf(100, 15), stateOf(100, 16)]).toEqual(['off', 'holding']);
    expect([stateOf(90, 5, 10), stateOf(90, 6, 10)]).toEqual(['off', 'holding']);
    expect(stateOf(10_000, 1_500)).toBe('off');
    const holding = transition(off, { leases: 100, silent: 50, expired: 0 }, 7);
    expect(transition(holding, { leases: 100, silent: 40, expired: 0 }, 9)).toMatchObject({ sinceMs: 7, silent: 40 });
  });

  it.each([
    [1, 3],
    [2, 3],
    [5, 5],
    [1, 100],
    [15, 100],
  ])('lets %d dead of %d expire on time', (dead, total) => {
    const { register, run, removals, events } = openLeases();
    const all = many(total, register);
    run(TTL_MS * 2, all, () => true);
    expect(removals).toEqual([]);
    run(TTL_MS + 200, all, (_, index) => index >= dead);
    expect(removals.map(({ id }) => id).sort()).toEqual(
      all
        .slice(0, dead)
        .map((lease) => lease.record.endpoint.instanceId)
        .sort(),
    );
    expect(events).toEqual([]);
  });

  it('expires nobody when many fall silent at once, not even the first', () => {
    const { register, run, removals, events } = openLeases();
    const all = many(100, register);
    run(TTL_MS * 20, all, () => true);
    run(TTL_MS * 20, all, (_, index) => index >= 20);
    expect(removals).toEqual([]);
    expect(events).toEqual([{ type: 'holding', silent: expect.any(Number) as number, leases: 100 }]);
  });

  it('ends when they are heard again, and gives the rest one TTL to come back', () => {
    const { register, run, removals, events, present, clock } = openLeases();
    const all = many(100, register);
    run(TTL_MS * 2, all, () => true);
    run(TTL_MS * 4, all, () => false);
    expect([removals, present().length]).toEqual([[], 100]);
    const backAtMs = clock.nowMs();
    run(TTL_MS * 3, all, (_, index) => index >= 10);
    expect(events.map(({ type }) => type)).toEqual(['holding', 'recovered']);
    expect(removals.length).toBe(10);
    for (const { atMs, cause } of removals) {
      expect(cause).toBe('lease-expired');
      expect(atMs).toBeGreaterThanOrEqual(backAtMs + TTL_MS);
    }
  });

  it('lets who leaves leave', () => {
    const { register, run, leases, removals } = openLeases();
    const all = many(20, register);
    run(TTL_MS * 4, all, () => false);
    leases.deregister(all[3] as Lease);
    expect(removals).toMatchObject([{ id: 'i3', cause: 'deregistered' }]);
  });

  it('lets a new instance take the address of one that is silent, and of no other', () => {
    const { register, run, removals, present } = openLeases();
    const all = Array.from({ length: 12 }, (_, n) => register(`i${n}`, { port: 100 + n }));
    run(TTL_MS * 3, all, (_, index) => index >= 8);
    expect(removals).toEqual([]);
    register('next-1', { port: 101 });
    register('next-9', { port: 109 });
    expect(removals).toMatchObject([{ id: 'i1', cause: 'replaced' }]);
    expect(present()).toContain('i9');
  });

  it('does not show for ever who is dead for good', () => {
    const { register, run, removals } = openLeases({ maxHoldMs: 120_000 });
    const all = many(20, register);
    run(110_000, all, (_, index) => index >= 10);
    expect(removals).toEqual([]);
    run(30_000, all, (_, index) => index >= 10);
    expect(removals.length).toBe(10);
  });

  it('counts as silent only who is later than it uses to be', () => {
    const { register, leases, clock, removals, events } = openLeases();
    // Renewed close to the end of the TTL, which is lawful: at any moment a third of them is late by the usual measure.
    const all = many(30, register);
    for (let second = 1; second <= 300; second++) {
      clock.advance(1_000);
      for (const [n, lease] of all.entries()) {
        if (second % 14 === n % 14 && (n > 0 || second < 100)) leases.renew(lease, undefined);
      }
    }
    expect([removals.map(({ id }) => id), events]).toEqual([['i0'], []]);
  });

  it('is over when nobody is left', () => {
    const { register, run, leases, clock } = openLeases({ maxHoldMs: 60_000 });
    const all = many(10, register);
    run(TTL_MS * 3, all, () => false);
    expect(leases.expiry.preservation().state).toBe('holding');
    for (const lease of all) leases.deregister(lease);
    clock.advance(60_000);
    expect([leases.expiry.preservation().state, clock.pending()]).toEqual(['off', 0]);
  });
});

describe('whatever falls silent', () => {
  it.each([1, 2, 3, 4, 5, fuzzing(1).seed])('leases keep their promises (seed %d)', (seed) => {
    const random = createRandom(seed);
    const pick = (below: number): number => Math.floor(random() * below);
    const clock = createSleepyClock();
    const rig = openLeases({ clock, maxHoldMs: 200_000 });
    const { leases, removals, events, register } = rig;
    interface Known {
      lease: Lease;
      alive: boolean;
      everyMs: number;
      nextMs: number;
      /** Of listening time. */
      heardMs: number;
      incarnation: number;
    }
    const known = new Map<string, Known>();
    let sleptMs = 0;
    let cutUntilMs = 0;
    let left = 0;
    const listened = (): number => clock.nowMs() - sleptMs;

    function start(id: string): void {
      const incarnation = (known.get(id)?.incarnation ?? 0) + 1;
      const ttlMs = 1_000 * (2 + pick(20));
      const lease = register(id, { ttlMs, incarnation, port: 1_000 + known.size + pick(60_000) });
      const everyMs = (ttlMs / 3) * (0.9 + 0.2 * random());
      known.set(id, {
        lease,
        alive: true,
        everyMs,
        nextMs: clock.nowMs() + everyMs * random(),
        heardMs: listened(),
        incarnation,
      });
    }

    function renewWhoIsDue(): void {
      if (clock.nowMs() < cutUntilMs) return;
      for (const [id, one] of known) {
        if (!one.alive || one.nextMs > clock.nowMs()) continue;
        one.nextMs = clock.nowMs() + one.everyMs;
        if (leases.find(one.lease.id) === undefined) start(id);
        else {
          leases.renew(one.lease, undefined);
          one.heardMs = listened();
        }
      }
    }

    /** Nobody expires before a whole TTL of listening has passed since it was heard of. */
    function checkRemovals(): void {
      for (const { id, cause } of removals.splice(0)) {
        const one = known.get(id) as Known;
        if (cause !== 'lease-expired') {
          left += 1;
          continue;
        }
        expect(listened() - one.heardMs).toBeGreaterThanOrEqual(one.lease.ttlMs);
        if (one.alive) expect(cutUntilMs).toBeGreaterThan(0);
      }
    }

    for (let n = 0; n < 60; n++) start(`i${n}`);
    for (let step = 0; step < 4_000; step++) {
      clock.advance(100 + pick(200));
      checkRemovals();
      renewWhoIsDue();
      const chance = random();
      const [id, one] = [...known][pick(known.size)] as [string, Known];
      if (chance < 0.002) {
        sleptMs += 5_000;
        clock.sleep(5_000);
      } else if (chance < 0.004) cutUntilMs = clock.nowMs() + pick(60_000);
      else if (chance < 0.01) one.alive = false;
      else if (chance < 0.015) start(id);
      else if (chance < 0.02 && leases.find(one.lease.id) !== undefined) {
        leases.deregister(one.lease);
        one.alive = false;
      } else if (chance < 0.025) {
        // A late word of a process that has been replaced or has left: it revives nothing.
        const old = one.lease.id;
        start(id);
        expect(leases.find(old)).toBeUndefined();
        expect(() => register(id, { incarnation: one.incarnation })).toThrow(/newer process/);
        expect(rig.namespace.leases.get(id)?.record.endpoint.incarnation).toBe(BigInt(one.incarnation + 1));
      }
    }

    // In the end all who live are there, and nobody who died.
    for (let step = 0; step < 3_000; step++) {
      clock.advance(200);
      renewWhoIsDue();
      checkRemovals();
    }
    const alive = [...known].filter(([, one]) => one.alive).map(([id]) => id);
    expect(rig.present()).toEqual(alive.sort());
    expect(left).toBeGreaterThan(0);
    expect(new Set(events.map(({ type }) => type)).has('slept')).toBe(true);
  });
});
