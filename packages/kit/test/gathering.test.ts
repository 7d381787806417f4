import { create, toBinary } from '@bufbuild/protobuf';
import { INITIAL_CREDIT_BYTES, type Body, type Reply } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService, WatchResponseSchema } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { callInner, frame, statusOfCall } from './inner-call.ts';

const WATCH = '/demo.ranking.v1.RankingService/Watch';
const RANK = '/demo.ranking.v1.RankingService/Rank';
const EMPTY = frame(new Uint8Array(0));

function kitOf(handlers: Partial<ServiceImpl<typeof RankingService>>) {
  return createKit({ routes: (router) => void router.service(RankingService, handlers) }).inner;
}

function watchHead() {
  return createHead({ path: WATCH, fields: ['content-type', 'application/grpc', 'te', 'trailers'] });
}

function toFrame(callId: string): Uint8Array {
  return frame(toBinary(WatchResponseSchema, create(WatchResponseSchema, { callId })));
}

function framesOf(count: number): Uint8Array {
  return Buffer.concat(Array.from({ length: count }, (_, n) => toFrame(`call ${n}`)));
}

async function* count(last: number) {
  for (let n = 0; n < last; n++) yield { callId: `call ${n}` };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

describe('messages of a stream', () => {
  it('leave together where the handler waits for nobody', async () => {
    const call = callInner(kitOf({ watch: () => count(500) }), WATCH, { frames: [EMPTY] });
    expect(await statusOfCall(call)).toMatchObject({ code: 0 });
    expect(Buffer.from(call.bytes())).toEqual(Buffer.from(framesOf(500)));
    expect(call.chunks.length).toBeLessThan(5);
  });

  it('leave alone where it waits for the next', async () => {
    const next = Promise.withResolvers<void>();
    const watch = async function* () {
      yield { callId: 'first' };
      await next.promise;
      yield { callId: 'second' };
    };
    const call = callInner(kitOf({ watch }), WATCH, { frames: [EMPTY] });
    await nextTurn();
    expect(call.chunks).toEqual([toFrame('first')]);
    next.resolve();
    expect(await statusOfCall(call)).toMatchObject({ code: 0 });
    expect(call.chunks).toEqual([toFrame('first'), toFrame('second')]);
  });

  it('all leave before what went wrong after them is said', async () => {
    const watch = async function* () {
      yield* count(3);
      throw new ConnectError('no more', Code.DataLoss);
    };
    const call = callInner(kitOf({ watch }), WATCH, { frames: [EMPTY] });
    expect(await statusOfCall(call)).toEqual({ code: Code.DataLoss, message: 'no more' });
    expect(Buffer.from(call.bytes())).toEqual(Buffer.from(framesOf(3)));
  });

  it('that cannot be encoded take none of those before with them', async () => {
    const watch = async function* () {
      yield* count(3);
      yield { callId: 'long'.repeat(1_000), sequence: 'none' as never };
    };
    const call = callInner(kitOf({ watch }), WATCH, { frames: [EMPTY] });
    expect(await statusOfCall(call)).toMatchObject({ code: Code.Internal });
    expect(Buffer.from(call.bytes())).toEqual(Buffer.from(framesOf(3)));
  });

  it('are made no further than there is room, and one more', async () => {
    let made = 0;
    const watch = async function* () {
      for (; ; made++) yield { callId: 'x'.repeat(1_000) };
    };
    const call = startCall(kitOf({ watch }), watchHead(), false);
    call.body.write(EMPTY);
    call.body.end();
    const received = (): number => call.chunks.reduce((sum, { length }) => sum + length, 0);
    await expect.poll(received).toBe(INITIAL_CREDIT_BYTES);
    await nextTurn();
    const bytes = toFrame('x'.repeat(1_000)).length;
    expect(made).toBe(Math.floor(INITIAL_CREDIT_BYTES / bytes));
    call.body.grant(10 * bytes);
    await expect.poll(received).toBe(INITIAL_CREDIT_BYTES + 10 * bytes);
    await nextTurn();
    expect(made).toBe(Math.floor(INITIAL_CREDIT_BYTES / bytes) + 10);
    call.body.cancel('caller-gone');
  });

  it('reach each of hundreds that hear of the same thing', async () => {
    const said = Promise.withResolvers<void>();
    const watch = async function* () {
      await said.promise;
      yield* count(3);
    };
    const service = kitOf({ watch });
    const calls = Array.from({ length: 300 }, () => callInner(service, WATCH, { frames: [EMPTY] }));
    said.resolve();
    for (const call of calls) {
      expect(await statusOfCall(call)).toMatchObject({ code: 0 });
      expect(Buffer.from(call.bytes())).toEqual(Buffer.from(framesOf(3)));
    }
  });
});

it('bytes stay as they are while they are lent, whoever else writes meanwhile', async () => {
  const service = kitOf({ watch: () => count(100), rank: () => ({ callId: 'other'.repeat(300) }) });
  const written = Promise.withResolvers<Uint8Array>();
  const reply: Reply = {
    head() {},
    write(bytes) {
      body.cancel('caller-gone');
      callInner(service, RANK, { frames: [EMPTY] });
      written.resolve(new Uint8Array(bytes));
    },
    end() {},
    fail() {},
    grant() {},
  };
  const body: Body = service(watchHead(), reply);
  body.write(EMPTY);
  body.end();
  expect(Buffer.from(await written.promise)).toEqual(Buffer.from(framesOf(100)));
});
