import { createRandom } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createGate } from '../../src/health/gate.ts';
import { createPacer } from '../../src/health/pacer.ts';

describe('a pacer', () => {
  it('never lets more begin in any interval than it may, in order, and wastes no time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.array(fc.integer({ min: 0, max: 200 }), { maxLength: 60, size: 'max' }),
        (max, gapsMs) => {
          const pacer = createPacer(max, 1_000);
          let nowMs = 0;
          const moments = gapsMs.map((gapMs) => {
            nowMs += gapMs;
            const waitMs = pacer.reserve(nowMs);
            return { askedMs: nowMs, atMs: nowMs + waitMs };
          });
          for (const [index, { askedMs, atMs }] of moments.entries()) {
            const before = moments[index - max];
            // Half a microsecond for what sums of fractions lose.
            if (before !== undefined) expect(atMs - before.atMs).toBeGreaterThanOrEqual(1_000 - 0.0005);
            else expect(atMs).toBe(askedMs);
            expect(atMs).toBeGreaterThanOrEqual(moments[index - 1]?.atMs ?? 0);
          }
        },
      ),
      fuzzing(300),
    );
  });

  it('spreads a crowd over the intervals that it needs', () => {
    const pacer = createPacer(10, 1_000);
    const waits = Array.from({ length: 40 }, () => pacer.reserve(0));
    expect(waits.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
    const gaps = waits.slice(10).map((waitMs, index) => waitMs - (waits[index + 9] as number));
    expect(gaps[0]).toBe(1_000);
    for (const gapMs of gaps.slice(1)) expect(gapMs).toBeCloseTo(100);
  });
});

describe('a gate', () => {
  it('lets so many in at once, first come first served, and not who has gone', () => {
    const random = createRandom(7);
    const gate = createGate(3);
    const order: number[] = [];
    const inside: { n: number; leave: () => void }[] = [];
    const waiting = new Map<number, { cancel(): void }>();
    const cancelled: number[] = [];
    for (let n = 0; n < 500; n++) {
      const entry = gate.enter('lane', (leave) => {
        order.push(n);
        inside.push({ n, leave });
        expect(inside.length).toBeLessThanOrEqual(3);
      });
      if (!order.includes(n)) waiting.set(n, entry);
      const leaver = random() < 0.9 ? inside.shift() : undefined;
      leaver?.leave();
      for (const each of order) waiting.delete(each);
      const [victim] = waiting.keys();
      if (victim !== undefined && random() < 0.2) {
        waiting.get(victim)?.cancel();
        waiting.delete(victim);
        cancelled.push(victim);
      }
    }
    while (inside.length > 0) inside.shift()?.leave();
    expect(cancelled.length).toBeGreaterThan(0);
    expect(order).toEqual(Array.from({ length: 500 }, (_, n) => n).filter((n) => !cancelled.includes(n)));
  });

  it('lets lanes take turns, however many wait in one of them', () => {
    const gate = createGate(1);
    const order: string[] = [];
    const inside: (() => void)[] = [];
    const come = (lane: string, name: string) =>
      gate.enter(lane, (leave) => {
        order.push(name);
        inside.push(leave);
      });
    for (let n = 0; n < 100; n++) come('hung', `hung ${n}`);
    come('a', 'a 1');
    come('a', 'a 2');
    const gone = come('b', 'b 1');
    come('c', 'c 1');
    gone.cancel();
    for (let n = 0; n < 7; n++) inside.shift()?.();
    expect(order).toEqual(['hung 0', 'hung 1', 'a 1', 'c 1', 'hung 2', 'a 2', 'hung 3', 'hung 4']);
    while (inside.length > 0) inside.shift()?.();
    expect(order).toHaveLength(103);
  });
});
