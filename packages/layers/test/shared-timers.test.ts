import { createRandom, createVirtualClock } from '@bascule/core';
import { assert, integer, property } from 'fast-check';
import { fuzzing } from '@bascule/testing';
import { expect, it } from 'vitest';
import { SharedTimers, type Expiring } from '../src/shared-timers.ts';

class Waiting implements Expiring {
  queue: Expiring['queue'] = undefined;
  earlier: Expiring | undefined = undefined;
  later: Expiring | undefined = undefined;
  expiredMs: number | undefined = undefined;
  readonly dueMs: number;
  readonly #onExpire: (item: Waiting) => void;

  constructor(dueMs: number, onExpire: (item: Waiting) => void = () => undefined) {
    this.dueMs = dueMs;
    this.#onExpire = onExpire;
  }

  expire(): void {
    this.#onExpire(this);
  }
}

it('ends each in its time and no other, whoever leaves meanwhile', () => {
  assert(
    property(integer(), (seed) => {
      const random = createRandom(seed);
      const clock = createVirtualClock(seed);
      const timers = new SharedTimers(clock);
      const all: { item: Waiting; leftMs: number | undefined }[] = [];
      for (let step = 0; step < 60; step++) {
        const delayMs = 1 + Math.floor(random() * 3) * 7;
        const item = new Waiting(clock.nowMs() + delayMs, (each) => (each.expiredMs = clock.nowMs()));
        timers.add(item, delayMs);
        all.push({ item, leftMs: undefined });
        const other = all[Math.floor(random() * all.length)];
        if (other !== undefined && other.item.expiredMs === undefined && random() < 0.5) {
          timers.remove(other.item);
          other.leftMs ??= clock.nowMs();
        }
        clock.advance(Math.floor(random() * 6));
      }
      clock.advance(100);
      for (const { item, leftMs } of all) expect(item.expiredMs).toBe(leftMs === undefined ? item.dueMs : undefined);
      expect(clock.pending()).toBe(0);
    }),
    fuzzing(200),
  );
});

it('keeps no timer for those who have gone, and takes others after them', () => {
  const clock = createVirtualClock();
  const timers = new SharedTimers(clock);
  const first = new Waiting(10);
  timers.add(first, 10);
  timers.add(new Waiting(20), 20);
  expect(clock.pending()).toBe(2);
  timers.remove(first);
  timers.remove(first);
  expect(clock.pending()).toBe(1);
  clock.advance(20);
  expect(clock.pending()).toBe(0);
});

it('lets who expires take others with it, and come again', () => {
  const clock = createVirtualClock();
  const timers = new SharedTimers(clock);
  const ended: string[] = [];
  const second = new Waiting(10, () => void ended.push('second'));
  const first = new Waiting(10, () => {
    ended.push('first');
    timers.remove(second);
    timers.add(new Waiting(20, () => void ended.push('again')), 10);
  });
  timers.add(first, 10);
  timers.add(second, 10);
  clock.advance(10);
  expect(ended).toEqual(['first']);
  clock.advance(10);
  expect(ended).toEqual(['first', 'again']);
  expect(clock.pending()).toBe(0);
});

it('waits on where a timer runs early', () => {
  let nowMs = 0;
  const due: { delayMs: number; run: () => void }[] = [];
  const timers = new SharedTimers({
    nowMs: () => nowMs,
    wallMs: () => 0,
    random: () => 0,
    after(delayMs, run) {
      due.push({ delayMs, run });
      return { cancel: () => undefined };
    },
  });
  const item = new Waiting(10, (each) => (each.expiredMs = nowMs));
  timers.add(item, 10);
  nowMs = 9.6;
  due[0]?.run();
  expect(item.expiredMs).toBeUndefined();
  expect(due[1]?.delayMs).toBe(1);
  nowMs = 10.6;
  due[1]?.run();
  expect(item.expiredMs).toBe(10.6);
});
