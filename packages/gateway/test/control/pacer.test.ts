import { createVirtualClock } from '@bascule/core';
import { expect, it } from 'vitest';
import { createPacer } from '../../src/control/pacer.ts';

/** A job that takes as long as it is told to. */
function setUp(runMs: number, minRestMs = 0) {
  const clock = createVirtualClock();
  const startedMs: number[] = [];
  const pacer = createPacer({
    clock,
    restPerRun: 4,
    minRestMs,
    maxRestMs: 500,
    run: () =>
      new Promise((resolve) => {
        startedMs.push(clock.nowMs());
        clock.after(runMs, resolve);
      }),
  });
  async function pass(ms: number): Promise<void> {
    for (let i = 0; i < ms; i++) {
      clock.advance(1);
      // A run ends some microtasks after its timer.
      await new Promise((resolve) => void setImmediate(resolve));
    }
  }
  return { clock, pacer, startedMs, pass };
}

it('runs at once, and once for all who ask during a run and its rest', async () => {
  const { pacer, startedMs, pass } = setUp(10);
  pacer.schedule();
  pacer.schedule();
  expect(startedMs).toEqual([0]);
  await pass(5);
  pacer.schedule();
  await pass(20);
  pacer.schedule();
  await pass(200);
  expect(startedMs).toEqual([0, 50]);
});

it('rests for as long as it must, however short it was', async () => {
  const { pacer, startedMs, pass } = setUp(10, 100);
  pacer.schedule();
  await pass(15);
  pacer.schedule();
  await pass(200);
  expect(startedMs).toEqual([0, 110]);
});

it('leaves most of the time to others, however often it is asked', async () => {
  const { pacer, startedMs, pass } = setUp(20);
  for (let ms = 0; ms < 999; ms++) {
    pacer.schedule();
    await pass(1);
  }
  expect(startedMs).toHaveLength(10);
});

it('never rests for longer than half a second', async () => {
  const { pacer, startedMs, pass } = setUp(1_000);
  pacer.schedule();
  pacer.schedule();
  await pass(1_501);
  expect(startedMs).toEqual([0, 1_500]);
});

it('begins nothing once it is closed', async () => {
  const { clock, pacer, startedMs, pass } = setUp(10);
  pacer.schedule();
  pacer.schedule();
  await pass(15);
  pacer.close();
  pacer.schedule();
  await pass(100);
  expect(startedMs).toEqual([0]);
  expect(clock.pending()).toBe(0);
});
