import { createVirtualClock, systemClock, whenWorkEnds, type Clock } from '@bascule/core';
import { createHead } from '@bascule/testing';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { Deadlines, type Due } from '../src/deadlines.ts';
import { createKit } from '../src/kit.ts';
import { callInner, frame, statusOfCall } from './inner-call.ts';

const RANK = '/demo.ranking.v1.RankingService/Rank';
const WATCH = '/demo.ranking.v1.RankingService/Watch';
const EMPTY = frame(new Uint8Array(0));

function createDue(deadlineMs: number, onDue: () => void): Due {
  return { deadlineMs, onDue, dueSlot: undefined, dueNext: undefined, duePrevious: undefined };
}

describe('deadlines', () => {
  it('fall due in time, near and far, and not when removed', () => {
    const clock = createVirtualClock(1, 1_000.5);
    const deadlines = new Deadlines(clock);
    const late: number[] = [];
    const startMs = clock.nowMs();
    const waits = Array.from({ length: 500 }, () => Math.floor(clock.random() ** 6 * 40_000_000));
    for (const waitMs of waits) {
      deadlines.add(createDue(startMs + waitMs, () => late.push(clock.nowMs() - startMs - waitMs)));
      const removed = createDue(startMs + waitMs, () => late.push(Number.NaN));
      deadlines.add(removed);
      deadlines.remove(removed);
    }
    clock.advance(41_000_000);
    expect(late).toHaveLength(waits.length);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...late)).toBeLessThanOrEqual(4);
    expect(clock.pending()).toBe(0);
  });

  it('share timers', () => {
    const clock = createVirtualClock();
    const deadlines = new Deadlines(clock);
    for (let call = 0; call < 10_000; call++) {
      const due = createDue(clock.nowMs() + 15_000, () => {});
      deadlines.add(due);
      deadlines.remove(due);
      clock.advance(1);
    }
    expect(clock.pending()).toBeLessThan(70);
  });
});

/** A handler that settles when told to, whatever its caller does. */
function startHanging(deadlineMs?: (clock: Clock) => number) {
  const clock = createVirtualClock();
  const settled = Promise.withResolvers<object>();
  const signals: AbortSignal[] = [];
  const kit = createKit({
    clock,
    routes: (router) =>
      void router.service(RankingService, {
        rank(_, { signal }) {
          signals.push(signal);
          return settled.promise;
        },
        async *watch(_, { signal }) {
          signals.push(signal);
          yield {};
          await settled.promise;
          yield {};
        },
      }),
  });
  const start = (path: string) => {
    const head = createHead();
    head.call.deadlineMs = deadlineMs?.(clock);
    const call = callInner(kit.inner, path, { frames: [EMPTY], head: { call: head.call } });
    let hasWorkEnded = false;
    return {
      call,
      settle: () => settled.resolve({}),
      watchWork: () => whenWorkEnds(head.call, () => (hasWorkEnded = true)),
      hasWorkEnded: () => hasWorkEnded,
    };
  };
  return { clock, signals, start };
}

describe.each([RANK, WATCH])('a handler of %s that hangs', (path) => {
  it('does not keep its caller beyond the deadline', async () => {
    const { clock, signals, start } = startHanging((clock) => clock.nowMs() + 100);
    const { call, settle, watchWork, hasWorkEnded } = start(path);
    await expect.poll(() => signals.length).toBe(1);
    clock.advance(99);
    await new Promise(setImmediate);
    expect(call.trailers).toBeUndefined();
    clock.advance(5);
    expect(await statusOfCall(call)).toMatchObject({ code: Code.DeadlineExceeded });
    expect(signals[0]?.reason).toMatchObject({ code: Code.DeadlineExceeded });
    watchWork();
    expect(hasWorkEnded()).toBe(false);
    settle();
    await expect.poll(hasWorkEnded).toBe(true);
  });

  it('holds the slot of a call that was cancelled until it settles', async () => {
    const { signals, start } = startHanging();
    const { call, settle, watchWork, hasWorkEnded } = start(path);
    await expect.poll(() => signals.length).toBe(1);
    call.body.cancel('caller-gone');
    expect(signals[0]?.reason).toMatchObject({ code: Code.Canceled });
    watchWork();
    await new Promise(setImmediate);
    expect(hasWorkEnded()).toBe(false);
    settle();
    await expect.poll(hasWorkEnded).toBe(true);
    expect(call.trailers).toBeUndefined();
  });
});

describe('a deadline in the field', () => {
  it('holds where the context knows none', async () => {
    let leftMs: number | undefined;
    const kit = createKit({
      clock: systemClock,
      routes: (router) =>
        void router.service(RankingService, {
          rank(_, { timeoutMs }) {
            leftMs = timeoutMs();
            return {};
          },
        }),
    });
    await callInner(kit.inner, RANK, { frames: [EMPTY], fields: ['grpc-timeout', '2S'] }).done;
    expect(leftMs).toBeGreaterThan(1_000);
    expect(leftMs).toBeLessThanOrEqual(2_000);
  });
});
