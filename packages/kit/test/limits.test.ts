import * as zlib from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankRequestSchema } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { createDemo } from './demo-routes.ts';
import { callInner, frame, statusOfCall } from './inner-call.ts';

const RANK = '/demo.ranking.v1.RankingService/Rank';
const MIB = 1024 * 1024;
const JSON_FIELDS = ['content-type', 'application/grpc+json'];

/** What a kit answers to one request message, and whether its handler ran. */
async function rank(message: Uint8Array, encoding?: string, options: Partial<Parameters<typeof createKit>[0]> = {}) {
  const demo = createDemo();
  const kit = createKit({ ...options, routes: demo.routes });
  const fields = encoding === undefined ? [] : ['grpc-encoding', encoding];
  const call = callInner(kit.inner, RANK, { frames: [frame(message, encoding === undefined ? 0 : 1)], fields });
  return { ...(await statusOfCall(call)), ran: demo.contexts.length };
}

async function rankJson(text: string) {
  const demo = createDemo();
  const kit = createKit({ routes: demo.routes });
  const head = { fields: JSON_FIELDS };
  const call = callInner(kit.inner, RANK, { frames: [frame(new TextEncoder().encode(text))], head });
  return { ...(await statusOfCall(call)), ran: demo.contexts.length };
}

function repeat(unit: readonly number[], bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes - (bytes % unit.length) }, (_, i) => unit[i % unit.length] as number);
}

describe('a message that would stall the loop', () => {
  it.each([
    ['two million empty messages', repeat([0x12, 0], 4 * MIB)],
    ['two million unknown fields', repeat([0x78, 0], 4 * MIB)],
  ])('of %s is refused before it is decoded', async (_, bomb) => {
    expect(await rank(bomb)).toMatchObject({ code: Code.ResourceExhausted, ran: 0 });
  });

  it.each([
    ['a million objects', `{"candidates":[${'{},'.repeat(MIB)}{}]}`],
    ['a million digits', `{"candidates":[{"id":"${'9'.repeat(MIB)}"}]}`],
    ['lists in lists', `{"x":${'['.repeat(MIB)}${']'.repeat(MIB)}}`],
  ])('of %s in JSON is refused before it is parsed', async (_, bomb) => {
    expect(await rankJson(bomb)).toMatchObject({ code: Code.ResourceExhausted, ran: 0 });
  });

  it('is taken while it is only large', async () => {
    const candidates = Array.from({ length: 10_000 }, (_, id) => ({ id, name: 'x'.repeat(300) }));
    const large = toBinary(RankRequestSchema, create(RankRequestSchema, { candidates }));
    expect(await rank(large)).toMatchObject({ code: 0, ran: 1 });
  });

  it('is taken where its kit allows it', async () => {
    const many = repeat([0x12, 0], MIB / 2);
    expect(await rank(many, undefined, { maxMessageObjects: 1_000_000 })).toMatchObject({ code: 0, ran: 1 });
  });
});

describe('a compressed message', () => {
  const COMPRESS = { gzip: zlib.gzipSync, br: zlib.brotliCompressSync, zstd: zlib.zstdCompressSync };
  const encodings = Object.keys(COMPRESS) as (keyof typeof COMPRESS)[];

  it.each(encodings)('in %s is read', async (encoding) => {
    const message = toBinary(RankRequestSchema, create(RankRequestSchema, { callId: 'small' }));
    expect(await rank(COMPRESS[encoding](message), encoding)).toMatchObject({ code: 0, ran: 1 });
  });

  it.each(encodings)('in %s that holds 100 MiB is cut at the limit', async (encoding) => {
    const bomb = COMPRESS[encoding](new Uint8Array(100 * MIB));
    const before = process.memoryUsage.rss();
    expect(await rank(bomb, encoding)).toMatchObject({ code: Code.ResourceExhausted, ran: 0 });
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * MIB);
  });

  it.each(encodings)('in %s that is none is invalid', async (encoding) => {
    expect(await rank(Uint8Array.of(1, 2, 3, 4), encoding)).toMatchObject({ code: Code.InvalidArgument, ran: 0 });
  });

  it('in an encoding that is not known is told which are', async () => {
    const answer = await rank(Uint8Array.of(1), 'snappy');
    expect(answer).toMatchObject({ code: Code.Unimplemented, ran: 0 });
    expect(answer.message).toContain('gzip,br,zstd');
  });

  it('in no declared encoding is an error of the protocol', async () => {
    const kit = createKit({ routes: createDemo().routes });
    const call = callInner(kit.inner, RANK, { frames: [frame(Uint8Array.of(1), 1)] });
    expect(await statusOfCall(call)).toMatchObject({ code: Code.Internal });
  });
});

describe('a message that is wrong', () => {
  it.each([
    ['binary', Uint8Array.of(0x0a, 200)],
    ['UTF-8', Uint8Array.of(0x0a, 2, 0xc3, 0x28)],
  ])('in its %s is invalid', async (_, message) => {
    expect(await rank(message)).toMatchObject({ code: Code.InvalidArgument, ran: 0 });
  });

  it.each(['{"callId":', '{"callId":{}}', '[]', ''])('in its JSON %j is invalid', async (text) => {
    expect(await rankJson(text)).toMatchObject({ code: Code.InvalidArgument, ran: 0 });
  });

  it('cut in the middle, missing, or followed by another is no call', async () => {
    const kit = createKit({ routes: createDemo().routes });
    const status = (...frames: Uint8Array[]) => statusOfCall(callInner(kit.inner, RANK, { frames }));
    const whole = frame(new Uint8Array(0));
    expect(await status(Uint8Array.of(0, 0, 0, 0, 9, 1))).toMatchObject({ code: Code.InvalidArgument });
    expect(await status()).toMatchObject({ code: Code.Unimplemented });
    expect(await status(whole, whole)).toMatchObject({ code: Code.Unimplemented });
    expect(await status(Uint8Array.of(0x80, 0, 0, 0, 0))).toMatchObject({ code: Code.Internal });
  });
});
