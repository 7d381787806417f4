import { createVirtualClock } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { UnimplementedProbe } from '../../src/health/health-checks.ts';
import { ask, type Answer } from '../../src/health/question.ts';

function createRig() {
  const clock = createVirtualClock();
  const running = new Set<Promise<void>>();
  const answers: Answer[] = [];
  let pausedMs = 0;
  return {
    clock,
    running,
    answers,
    /** Time goes by in which nothing runs. */
    pause: (ms: number) => void (pausedMs += ms),
    ask: (probe: (signal: AbortSignal) => Promise<void>) =>
      ask({ clock: { ...clock, nowMs: () => clock.nowMs() + pausedMs }, running }, 1_000, probe, (answer) =>
        answers.push(answer),
      ),
    settled: () => Promise.all(running),
  };
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));

describe('a question', () => {
  it.each<[string, () => Promise<void>, Answer]>([
    ['a success', () => Promise.resolve(), { kind: 'passed' }],
    ['a failure', () => Promise.reject(new Error('refused')), { kind: 'failed', why: 'refused' }],
    ['what is no error', () => Promise.reject('odd'), { kind: 'failed', why: 'odd' }],
    ['nobody to ask', () => Promise.reject(new UnimplementedProbe()), { kind: 'unimplemented' }],
    [
      'a failure before there is a promise',
      () => {
        throw new Error('no way there');
      },
      { kind: 'failed', why: 'no way there' },
    ],
  ])('has one answer: %s', async (_, probe, answer) => {
    const rig = createRig();
    rig.ask(probe);
    await rig.settled();
    expect(rig.answers).toEqual([answer]);
    expect(rig.clock.pending()).toBe(0);
    expect(rig.running.size).toBe(0);
  });

  it('ends by time, and what comes after counts no more', async () => {
    const rig = createRig();
    rig.ask(untilAborted);
    rig.clock.advance(1_000);
    expect(rig.answers).toEqual([{ kind: 'failed', why: 'no answer within 1000 ms' }]);
    await rig.settled();
    expect(rig.answers).toHaveLength(1);
  });

  it('has no answer once it is taken back', async () => {
    const rig = createRig();
    rig.ask(untilAborted).cancel();
    await rig.settled();
    rig.ask(() => Promise.resolve()).cancel();
    await rig.settled();
    expect(rig.answers).toEqual([]);
    expect(rig.clock.pending()).toBe(0);
  });

  it('waits anew when it was us who paused', async () => {
    const rig = createRig();
    const { promise, resolve } = Promise.withResolvers<void>();
    rig.ask(() => promise);
    rig.pause(60_000);
    rig.clock.advance(1_000);
    expect(rig.answers).toEqual([]);
    resolve();
    await rig.settled();
    expect(rig.answers).toEqual([{ kind: 'passed' }]);
    expect(rig.clock.pending()).toBe(0);
  });
});
