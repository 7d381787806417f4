import { setImmediate as nextTurn } from 'node:timers/promises';
import { ambientCall, systemClock } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import type { ServiceImpl } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { frame, statusOfCall } from './inner-call.ts';

const PATH = '/demo.ranking.v1.RankingService/';
const EMPTY = frame(new Uint8Array(0));

/** Seconds that the call in which this runs had at its start; undefined outside of one. */
function askSeconds(): number | undefined {
  const deadlineMs = ambientCall()?.deadlineMs;
  return deadlineMs === undefined ? undefined : Math.round((deadlineMs - systemClock.nowMs()) / 1000);
}

/** Calls that grant room for their answers only where the test does. */
function start(routes: Partial<ServiceImpl<typeof RankingService>>) {
  const kit = createKit({ routes: (router) => void router.service(RankingService, routes) });
  return (method: string, seconds: number) => {
    const fields = ['content-type', 'application/grpc', 'grpc-timeout', `${seconds}S`];
    const call = startCall(kit.inner, createHead({ path: PATH + method, fields }), false);
    call.body.write(EMPTY);
    call.body.end();
    return call;
  };
}

describe('the call that a handler works for', () => {
  it('is found by what a unary handler awaits and starts, and does not mix with others', async () => {
    const seen: (number | undefined)[][] = [];
    const call = start({
      async rank() {
        const found = [askSeconds()];
        await nextTurn();
        found.push(askSeconds());
        await Promise.all([nextTurn().then(() => found.push(askSeconds())), Promise.resolve()]);
        seen.push(found);
        return {};
      },
    });
    const calls = [100, 200, 300].map((seconds) => call('Rank', seconds));
    expect(askSeconds()).toBeUndefined();
    for (const each of calls) expect(await statusOfCall(each)).toMatchObject({ code: 0 });
    expect(seen).toEqual([
      [100, 100, 100],
      [200, 200, 200],
      [300, 300, 300],
    ]);
  });

  it('is found at every step of a generator, when room comes late too, and in its clean-up', async () => {
    const found: (number | undefined)[] = [];
    const left = Promise.withResolvers<void>();
    const call = start({
      async *watch() {
        try {
          for (let n = 0; n < 40; n++) {
            found.push(askSeconds());
            if (n % 2 === 0) await nextTurn();
            found.push(askSeconds());
            yield { callId: 'x'.repeat(10_000) };
          }
        } finally {
          found.push(askSeconds());
          left.resolve();
        }
      },
    })('Watch', 100);
    // Each grant resumes the handler from outside of it.
    while (found.length < 40) {
      await nextTurn();
      call.body.grant(10_000);
    }
    // Until it waits for room: who is cancelled at work cleans up in its own time.
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    call.body.cancel('caller-gone');
    await left.promise;
    expect(found.length).toBeGreaterThan(40);
    expect(new Set(found)).toEqual(new Set([100]));
  });

  it('is found while a stream is read', async () => {
    const found: (number | undefined)[] = [];
    const call = start({
      async *tally(requests) {
        found.push(askSeconds());
        for await (const _ of requests) {
          found.push(askSeconds());
          yield {};
          found.push(askSeconds());
        }
      },
    })('Tally', 100);
    expect(await statusOfCall(call)).toMatchObject({ code: 0 });
    expect(found).toEqual([100, 100, 100]);
  });

  it('says when it is over before its handler is, and is gone once that has settled', async () => {
    const began = Promise.withResolvers<void>();
    const resume = Promise.withResolvers<void>();
    const after = Promise.withResolvers<unknown>();
    const found: unknown[] = [];
    const call = start({
      async rank() {
        const signal = ambientCall()?.signal;
        began.resolve();
        await resume.promise;
        found.push(signal?.aborted, ambientCall()?.signal === signal);
        void nextTurn().then(() => after.resolve(ambientCall()));
        return {};
      },
    })('Rank', 100);
    await began.promise;
    call.body.cancel('caller-gone');
    resume.resolve();
    expect(await after.promise).toBeUndefined();
    expect(found).toEqual([true, true]);
  });
});
