import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { createVirtualClock, whenWorkEnds } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { create, toBinary, type DescMethod } from '@bufbuild/protobuf';
import { Int32ValueSchema, Int64ValueSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';
import { RankingService, RankResponseSchema } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createJsonCodec } from '../src/codec/message-codec.ts';
import { createKit, type KitOptions } from '../src/kit.ts';
import { callInner, frame, statusOfCall } from './inner-call.ts';

const RANK = '/demo.ranking.v1.RankingService/Rank';
const WATCH = '/demo.ranking.v1.RankingService/Watch';
const TALLY = '/demo.ranking.v1.RankingService/Tally';
const EMPTY = frame(new Uint8Array(0));

function kitOf(handlers: Partial<ServiceImpl<typeof RankingService>>, options: Partial<KitOptions> = {}) {
  return createKit({ ...options, routes: (router) => void router.service(RankingService, handlers) });
}

async function statusOf(path: string, ...kit: Parameters<typeof kitOf>) {
  return statusOfCall(callInner(kitOf(...kit).inner, path, { frames: [EMPTY] }));
}

describe('a handler that makes a mistake ends its own call, and no more', () => {
  it('with a detail that cannot be encoded', async () => {
    const details = [{ desc: Int32ValueSchema, value: { value: 1.5 } }, null as never];
    const rank = (): never => {
      throw new ConnectError('told all the same', Code.Aborted, undefined, details);
    };
    expect(await statusOf(RANK, { rank })).toEqual({ code: Code.Aborted, message: 'told all the same' });
  });

  it('with an iterator that gives no result', async () => {
    const watch = () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(undefined as never) }) });
    expect(await statusOf(WATCH, { watch })).toMatchObject({ code: Code.Internal });
  });

  it('with an interceptor whose answer has no trailers', async () => {
    const watch = async function* () {
      yield {};
    };
    const interceptors: KitOptions['interceptors'] = [
      (next) => async (request) => ({ ...(await next(request)), trailer: undefined as never }),
    ];
    expect(await statusOf(WATCH, { watch }, { interceptors })).toMatchObject({ code: Code.Internal });
  });

  it('with a read that it does not wait for', async () => {
    const tally = async function* (requests: AsyncIterable<unknown>) {
      void requests[Symbol.asyncIterator]().next();
      yield {};
    };
    const head = createHead({ path: TALLY, fields: ['content-type', 'application/grpc', 'te', 'trailers'] });
    const call = startCall(kitOf({ tally }).inner, head);
    expect(await statusOfCall(call)).toMatchObject({ code: 0 });
  });
});

describe('what one caller says', () => {
  it('changes no encodings of another', async () => {
    const kit = kitOf({ rank: () => ({}) });
    const call = (encoding: string, accept: string) =>
      callInner(kit.inner, RANK, {
        frames: [frame(gzipSync(new Uint8Array(0)), 1)],
        fields: ['grpc-encoding', encoding, 'grpc-accept-encoding', accept],
      });
    expect(await statusOfCall(call('gzip identity,', 'gzip'))).toMatchObject({ code: Code.Unimplemented });
    expect(await statusOfCall(call('gzip', 'identity, gzip'))).toMatchObject({ code: 0 });
  });

  it('keeps no timer for each far deadline', async () => {
    const clock = createVirtualClock();
    const kit = kitOf({ rank: () => ({}) }, { clock });
    for (let hours = 1; hours < 99_999_999; hours += 999_983) {
      const call = callInner(kit.inner, RANK, { frames: [EMPTY], fields: ['grpc-timeout', `${hours}H`] });
      expect(await statusOfCall(call)).toMatchObject({ code: 0 });
    }
    expect(clock.pending()).toBeLessThan(5);
  });

  it('is not repeated to it at any length', () => {
    const desc = { input: Int64ValueSchema, output: Int64ValueSchema } as unknown as DescMethod;
    const limits = { readMaxBytes: 4_194_304, writeMaxBytes: 4_194_304, maxMessageObjects: 100_000 };
    const codec = createJsonCodec(desc, { ...limits, binaryOptions: undefined, jsonOptions: undefined });
    const length = (digits: string): number => {
      try {
        codec.decode(Buffer.from(`"${digits}"`));
        return 0;
      } catch (error) {
        return (error as Error).message.length;
      }
    };
    expect(length('f'.repeat(100))).toBeGreaterThan(100);
    expect(length(`0x${'f'.repeat(60_000)}`)).toBeLessThan(2_000);
  });
});

describe('a stream that waits for nobody lets others have their turn', () => {
  const MANY = 200_000;

  it('while it answers a caller with room for everything', async () => {
    let stopped = false;
    let made = 0;
    const watch = async function* () {
      for (; made < MANY; made++) {
        if (stopped) return;
        yield {};
      }
    };
    const head = createHead({ path: WATCH, fields: ['content-type', 'application/grpc', 'te', 'trailers'] });
    const call = startCall(kitOf({ watch }).inner, head, false);
    call.body.grant(2 ** 31 - 1);
    call.body.write(EMPTY);
    call.body.end();
    setImmediate(() => (stopped = true));
    expect(await statusOfCall(call)).toMatchObject({ code: 0 });
    expect(made).toBeLessThan(MANY);
  });

  it('and ends when its caller leaves meanwhile', async () => {
    const ended = Promise.withResolvers<void>();
    const watch = async function* () {
      try {
        for (let n = 0; n < MANY; n++) yield {};
      } finally {
        ended.resolve();
      }
    };
    const head = createHead({ path: WATCH, fields: ['content-type', 'application/grpc', 'te', 'trailers'] });
    const call = startCall(kitOf({ watch }).inner, head, false);
    call.body.grant(2 ** 31 - 1);
    call.body.write(EMPTY);
    call.body.end();
    setImmediate(() => call.body.cancel('caller-gone'));
    await ended.promise;
    await new Promise<void>((resolve) => whenWorkEnds(head.call, resolve));
    expect(call.chunks.length).toBeLessThan(MANY);
  });

  it('while it reads messages that have come already, and loses none', async () => {
    const gate = Promise.withResolvers<void>();
    let read = 0;
    const tally = async function* (requests: AsyncIterable<unknown>) {
      await gate.promise;
      for await (const _ of requests) read++;
      yield {};
    };
    const call = callInner(kitOf({ tally }).inner, TALLY, { frames: [new Uint8Array(13_107 * 5)] });
    const readAtTurn = Promise.withResolvers<number>();
    gate.resolve();
    setImmediate(() => readAtTurn.resolve(read));
    expect(await readAtTurn.promise).toBeLessThan(13_107);
    expect(await statusOfCall(call)).toMatchObject({ code: 0 });
    expect(read).toBe(13_107);
  });
});

it('compresses by brotli at a level that a server can bear', async () => {
  const version = Array.from({ length: 2_000 }, (_, i) => `${i * i}`).join(' ');
  const kit = kitOf({ rank: () => ({ version }) });
  const call = callInner(kit.inner, RANK, { frames: [EMPTY], fields: ['grpc-accept-encoding', 'br'] });
  await call.done;
  const plain = toBinary(RankResponseSchema, create(RankResponseSchema, { version }));
  const expected = brotliCompressSync(plain, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } });
  expect(call.bytes().subarray(5)).toEqual(new Uint8Array(expected));
});

it('holds the place of a call whose message is still being unpacked', async () => {
  const kit = kitOf({ rank: () => ({}) });
  const head = createHead({
    path: RANK,
    fields: ['content-type', 'application/grpc', 'te', 'trailers', 'grpc-encoding', 'gzip'],
  });
  const call = startCall(kit.inner, head);
  call.body.write(frame(gzipSync(new Uint8Array(1_000_000)), 1));
  call.body.end();
  call.body.cancel('caller-gone');
  expect(head.call.work).toBe(1);
  await new Promise<void>((resolve) => whenWorkEnds(head.call, resolve));
  expect(head.call.work).toBe(0);
});
