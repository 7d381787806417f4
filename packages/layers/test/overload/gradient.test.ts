import { createVirtualClock, type VirtualClock } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { Gradient, nextLimit } from '../../src/overload/gradient.ts';

const MAX = 1_000;

describe('nextLimit', () => {
  it.each([
    // limit, minRTT, sampleRTT, expected: floor(gradient * limit + sqrt(gradient * limit)) within 3 and 1,000
    ['as fast as can be', 3, 10, 10, 5],
    ['within the buffer', 16, 10, 12.5, 20],
    ['twice as slow', 100, 10, 20, 70],
    ['no more than halved', 100, 10, 1_000, 57],
    ['no more than doubled', 100, 10, 1, 214],
    ['never below three', 3, 10, 1_000, 3],
    ['never above the highest', 900, 10, 10, 1_000],
    ['at the highest', 1_000, 10, 12.5, 1_000],
  ])('%s: from %d', (_what, limit, minMs, sampleMs, expected) => {
    expect(nextLimit(limit, minMs, sampleMs, MAX)).toBe(expected);
  });
});

/** Calls that each take so long, one after the other. */
function run(gradient: Gradient, clock: VirtualClock, count: number, tookMs: number): void {
  for (let i = 0; i < count; i++) {
    const startedMs = clock.nowMs();
    clock.advance(tookMs);
    gradient.turn(clock.nowMs(), MAX);
    gradient.sample(startedMs, clock.nowMs());
  }
}

describe('Gradient', () => {
  it('measures with 50 calls at 3 at once, and then follows each window of 100 ms', () => {
    const clock = createVirtualClock();
    const gradient = new Gradient(clock, 0);
    run(gradient, clock, 49, 10);
    clock.advance(1_000);
    gradient.turn(clock.nowMs(), MAX);
    expect(gradient.limit).toBe(3);
    run(gradient, clock, 1, 10);
    expect(gradient.limit).toBe(3);
    run(gradient, clock, 9, 10);
    expect(gradient.limit).toBe(3);
    clock.advance(10);
    gradient.turn(clock.nowMs(), MAX);
    // 3 * 1.25 + sqrt(3.75)
    expect(gradient.limit).toBe(5);
    expect(gradient.sampleMs).toBe(10);
    clock.advance(10_000);
    gradient.turn(clock.nowMs(), MAX);
    expect(gradient.limit).toBe(5);
  });

  it('takes the median, so a few slow calls change nothing', () => {
    const clock = createVirtualClock();
    const gradient = new Gradient(clock, 0);
    run(gradient, clock, 50, 10);
    for (let i = 0; i < 9; i++) gradient.sample(clock.nowMs() - (i % 3 === 0 ? 5_000 : 10), clock.nowMs());
    clock.advance(100);
    gradient.turn(clock.nowMs(), MAX);
    expect(gradient.sampleMs).toBe(10);
  });

  it('measures again after a minute and up to 15 % more, and goes on where it was', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const clock = createVirtualClock(seed);
      const gradient = new Gradient(clock, 0);
      run(gradient, clock, 50, 10);
      const followedMs = clock.nowMs();
      let limit = gradient.limit;
      while (gradient.limit >= limit) {
        limit = gradient.limit;
        run(gradient, clock, 1, 10);
      }
      const afterMs = clock.nowMs() - followedMs;
      expect(afterMs).toBeGreaterThanOrEqual(60_000);
      expect(afterMs).toBeLessThan(69_000 + 20);
      expect(gradient.limit).toBe(3);
      run(gradient, clock, 50, 10);
      expect(gradient.limit).toBe(limit);
    }
  });

  it('does not measure by calls that began before', () => {
    const clock = createVirtualClock();
    const gradient = new Gradient(clock, 0);
    run(gradient, clock, 50, 10);
    run(gradient, clock, 6_900, 10);
    while (gradient.limit > 3) run(gradient, clock, 1, 10);
    for (let i = 0; i < 100; i++) gradient.sample(clock.nowMs() - 1_000, clock.nowMs());
    for (let i = 0; i < 100; i++) gradient.sampleLate(clock.nowMs(), clock.nowMs());
    expect(gradient.limit).toBe(3);
    run(gradient, clock, 50, 10);
    expect(gradient.limit).toBeGreaterThan(3);
  });

  it('doubts its measurement after five windows at the least limit', () => {
    const clock = createVirtualClock();
    const gradient = new Gradient(clock, 0);
    run(gradient, clock, 50, 1);
    // From now on the service takes 20 ms at best: 3 * 0.5 + sqrt(1.5) is below 3, so it stays there.
    run(gradient, clock, 30, 20);
    expect(gradient.limit).toBe(3);
    run(gradient, clock, 60, 20);
    run(gradient, clock, 10, 20);
    expect(gradient.limit).toBeGreaterThan(3);
  });

  it.each([
    ['8 at once, 10 ms each', 8, 10],
    ['40 at once, 20 ms each', 40, 20],
    ['100 at once, 50 ms each', 100, 50],
  ])('finds the knee of a server that takes %s', (_what, capacity, serviceMs) => {
    const { seed } = fuzzing(1);
    const clock = createVirtualClock(seed);
    const gradient = new Gradient(clock, 0);
    const simulated = simulate(clock, gradient, capacity, serviceMs);
    const failing = `seed ${seed}: ${JSON.stringify(simulated)}`;
    // The median call may take a quarter longer than at best, and the queue for the root of the limit comes on top.
    expect(simulated.meanLimit, failing).toBeGreaterThan(capacity * 0.9);
    expect(simulated.meanLimit, failing).toBeLessThan((capacity * 1.25 + Math.sqrt(capacity * 1.25)) * 1.4);
    expect(simulated.throughput, failing).toBeGreaterThan(0.9);
    expect(simulated.medianMs, failing).toBeLessThan(serviceMs * 2);
  });
});

/**
 * Twice as many calls as the server can take arrive by chance; each takes its time, a tenth more or less, in one of the
 * server's places, and queues inside the server before that. Looked at after the first two seconds, for four.
 */
function simulate(
  clock: VirtualClock,
  gradient: Gradient,
  capacity: number,
  serviceMs: number,
): { meanLimit: number; throughput: number; medianMs: number } {
  const WARM_MS = 2_000;
  const END_MS = 6_000;
  const waiting: number[] = [];
  const tookMs: number[] = [];
  let busy = 0;
  let open = 0;
  let limitMs = 0;
  let lookedMs = WARM_MS;

  const serve = (): void => {
    while (busy < capacity && waiting.length > 0) {
      const startedMs = waiting.shift() as number;
      busy++;
      clock.after(serviceMs * (0.9 + 0.2 * clock.random()), () => {
        busy--;
        open--;
        gradient.turn(clock.nowMs(), MAX);
        gradient.sample(startedMs, clock.nowMs());
        if (clock.nowMs() > WARM_MS) tookMs.push(clock.nowMs() - startedMs);
        serve();
      });
    }
  };
  const arrive = (): void => {
    const nowMs = clock.nowMs();
    gradient.turn(nowMs, MAX);
    if (nowMs > lookedMs) {
      limitMs += gradient.limit * (nowMs - lookedMs);
      lookedMs = nowMs;
    }
    if (open < gradient.limit) {
      open++;
      waiting.push(nowMs);
      serve();
    }
    clock.after((-Math.log(1 - clock.random()) * serviceMs) / (2 * capacity), arrive);
  };
  arrive();
  clock.advance(END_MS);
  tookMs.sort((a, b) => a - b);
  return {
    meanLimit: limitMs / (lookedMs - WARM_MS),
    throughput: (tookMs.length * serviceMs) / (capacity * (END_MS - WARM_MS)),
    medianMs: tookMs[tookMs.length >> 1] as number,
  };
}
