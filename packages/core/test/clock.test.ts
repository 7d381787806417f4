import { describe, expect, it } from 'vitest';
import { createRandom, createVirtualClock, sleep, systemClock } from '../src/index.ts';

describe('virtual clock', () => {
  it('runs what falls due in order of time, then of asking, at its own time', () => {
    const clock = createVirtualClock();
    const ran: string[] = [];
    const note = (name: string) => () => void ran.push(`${name} at ${clock.nowMs()}`);
    clock.after(20, note('late'));
    clock.after(10, note('first'));
    clock.after(10, note('second'));
    clock.after(10, note('cancelled')).cancel();
    clock.after(5, () => clock.after(5, note('nested')));
    clock.advance(15);
    expect(ran).toEqual(['first at 10', 'second at 10', 'nested at 10']);
    expect(clock.nowMs()).toBe(15);
    expect(clock.pending()).toBe(1);
    clock.advance(5);
    expect(ran.at(-1)).toBe('late at 20');
    expect(clock.pending()).toBe(0);
  });

  it('wakes a sleeper', async () => {
    const clock = createVirtualClock();
    const slept = sleep(clock, 1_000);
    clock.advance(1_000);
    await slept;
  });

  it('gives the same chance for the same seed, in [0, 1), evenly', () => {
    const take = (seed: number) => Array.from({ length: 10_000 }, createRandom(seed));
    expect(take(7)).toEqual(take(7));
    expect(take(7)).not.toEqual(take(8));
    const values = take(42);
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    const tenths = Array.from({ length: 10 }, (_, i) => values.filter((v) => Math.floor(v * 10) === i).length);
    // 1,000 expected in each; six standard deviations are 180.
    for (const count of tenths) expect(Math.abs(count - 1_000)).toBeLessThan(180);
  });
});

describe('system clock', () => {
  it('takes a delay that has gone by as none, without a warning', async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    await sleep(systemClock, -0.5);
    // Warnings are emitted on a later turn.
    await sleep(systemClock, 1);
    process.off('warning', note);
    expect(warnings).toEqual([]);
  });

  it('does not fire at once for a delay beyond 32 bits', async () => {
    let fired = false;
    const timer = systemClock.after(2 ** 40, () => {
      fired = true;
    });
    await sleep(systemClock, 5);
    timer.cancel();
    expect(fired).toBe(false);
  });

  it('moves forward', async () => {
    const before = systemClock.nowMs();
    await sleep(systemClock, 5);
    expect(systemClock.nowMs()).toBeGreaterThan(before);
    expect(systemClock.wallMs()).toBeGreaterThan(1_700_000_000_000);
  });
});
