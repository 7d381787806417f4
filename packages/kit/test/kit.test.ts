import { getField, INITIAL_CREDIT_BYTES } from '@bascule/core';
import { digestOf, methodFactsOf } from '@bascule/schema';
import { createHead, startCall } from '@bascule/testing';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import {
  RankingService,
  RankRequestSchema,
  TallyRequestSchema,
  WatchRequestSchema,
} from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { createTokenInterceptor } from '../src/token.ts';
import { createDemo } from './demo-routes.ts';
import { createInProcessTransport, statusOf } from './in-process.ts';

const RANK = '/demo.ranking.v1.RankingService/Rank';
const WATCH = '/demo.ranking.v1.RankingService/Watch';
const TALLY = '/demo.ranking.v1.RankingService/Tally';

function envelope(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(5 + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, 5);
  return bytes;
}

function start(path: string, overrides: Parameters<typeof createHead>[0] = {}, autoGrant = true) {
  const demo = createDemo();
  const kit = createKit({ routes: demo.routes });
  return { demo, kit, call: startCall(kit.service, createHead({ path, ...overrides }), autoGrant) };
}

describe('a kit', () => {
  it('knows its services and their descriptors', () => {
    const { kit } = start(RANK);
    expect(kit.services).toEqual(['demo.ranking.v1.RankingService']);
    expect(methodFactsOf(kit.schema).map((facts) => facts.method)).toEqual(['Rank', 'Watch', 'Tally', 'Vote']);
    expect(kit.schemaDigest).toBe(digestOf(kit.schema));
  });

  it.each([
    ['Uint8Array', (bytes: Uint8Array) => bytes],
    ['Buffer', (bytes: Uint8Array) => Buffer.from(bytes)],
  ])('copies a %s it is lent', async (_, from) => {
    const { call } = start(RANK);
    const bytes = from(envelope(toBinary(RankRequestSchema, create(RankRequestSchema, { callId: 'lent' }))));
    call.body.write(bytes);
    bytes.fill(0xff);
    call.body.end();
    await call.done;
    expect(statusOf(call.trailers)).toBe('0');
    expect(new TextDecoder().decode(call.bytes())).toContain('lent');
  });

  it('grants what its handler reads, and nothing to one that does not read', async () => {
    const { call } = start(RANK);
    const half = Math.floor(INITIAL_CREDIT_BYTES / 2);
    call.body.write(new Uint8Array([0, 0, 3, 0, 0]));
    call.body.write(new Uint8Array(half));
    await expect.poll(() => call.granted).toBe(half + 5);
    const { call: stalled } = start(TALLY, {}, false);
    const name = 'y'.repeat(half);
    const message = toBinary(TallyRequestSchema, create(TallyRequestSchema, { candidate: { id: 1, name } }));
    for (let sent = 0; sent < 5; sent++) {
      stalled.body.write(envelope(message));
      await new Promise(setImmediate);
    }
    // Two answers fill the reply's credit, the third waits, and with it the handler.
    expect(stalled.granted).toBeLessThan(message.length * 4);
    call.body.cancel('caller-gone');
    stalled.body.cancel('caller-gone');
  });

  it('never writes beyond the credit, and goes on where it stopped', async () => {
    const { call } = start(TALLY, {}, false);
    const name = 'y'.repeat(INITIAL_CREDIT_BYTES * 2);
    call.body.write(envelope(toBinary(TallyRequestSchema, create(TallyRequestSchema, { candidate: { id: 1, name } }))));
    call.body.end();
    await expect.poll(() => call.bytes().length).toBe(INITIAL_CREDIT_BYTES);
    call.body.grant(1);
    expect(call.bytes().length).toBe(INITIAL_CREDIT_BYTES + 1);
    call.body.grant(10_000_000);
    await call.done;
    expect(new TextDecoder().decode(call.bytes())).toContain(name);
  });

  it('says nothing after it was cancelled', async () => {
    const { call, demo } = start(TALLY);
    await expect.poll(() => demo.contexts.length).toBe(1);
    call.body.cancel('deadline');
    call.body.end();
    expect(await demo.aborted).toMatchObject({ code: Code.DeadlineExceeded });
    // The handler waits for a message that never comes: it must be woken.
    await expect.poll(() => demo.finished).toBe(1);
    expect([call.heads.length, call.trailers, call.error]).toEqual([0, undefined, undefined]);
  });

  it('ends with a failure, not a throw, when a field cannot be', async () => {
    const { call } = start(RANK, { fields: ['content-type', 'application/grpc', 'bad name', 'x'] });
    call.body.write(envelope(new Uint8Array(0)));
    call.body.end();
    await call.done;
    // The handler looks at its fields, and cannot be shown them.
    expect(statusOf(call.heads[0]?.fields)).toBe(String(Code.Internal));
  });

  it('answers early, before the upload has ended', async () => {
    const { call } = start(RANK);
    call.body.write(new Uint8Array([0, 0xff, 0xff, 0xff, 0xff]));
    await call.done;
    expect(statusOf(call.heads[0]?.fields)).toBe('8');
    call.body.write(new Uint8Array(100));
    call.body.end();
  });

  it('holds an endless stream back while nobody reads', async () => {
    const { call, demo } = start(WATCH, {}, false);
    const request = create(WatchRequestSchema, { callId: `endless${'x'.repeat(10_000)}` });
    call.body.write(envelope(toBinary(WatchRequestSchema, request)));
    call.body.end();
    await expect.poll(() => call.bytes().length).toBe(INITIAL_CREDIT_BYTES);
    const produced = demo.produced;
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(demo.produced).toBe(produced);
    expect(produced).toBeLessThan(10);
    call.body.cancel('caller-gone');
    await expect.poll(() => demo.finished).toBe(1);
  });
});

describe('an unknown path', () => {
  it.each([
    ['application/grpc', 200, '12', undefined],
    ['application/grpc-web+proto', 200, undefined, '12'],
    ['application/json', 404, undefined, undefined],
  ])('is answered in words of %s', async (contentType, status, inTrailers, inHead) => {
    const { call } = start('/no.Such/Method?x=1', { fields: ['content-type', contentType] });
    expect(call.heads).toEqual([]);
    await call.done;
    expect(call.heads[0]?.status).toBe(status);
    expect(statusOf(call.trailers)).toBe(inTrailers);
    expect(getField(call.heads[0]?.fields ?? [], 'grpc-status')).toBe(inHead);
  });

  it('is not answered when cancelled first', async () => {
    const { call } = start('/no.Such/Method');
    call.body.cancel('caller-gone');
    await new Promise(setImmediate);
    expect(call.heads).toEqual([]);
  });
});

describe('a token', () => {
  const kit = createKit({ routes: createDemo().routes, interceptors: [createTokenInterceptor('s3cret')] });
  const rank = (header?: string) => {
    const client = createClient(RankingService, createInProcessTransport(kit.service, 'grpc'));
    return client.rank({ callId: 'in' }, header === undefined ? {} : { headers: { authorization: header } });
  };

  it.each([undefined, 'Bearer wrong', 'Bearer ', 'Basic s3cret', 's3cret', 'Bearer s3cret2'])('is not %s', (header) =>
    expect(rank(header)).rejects.toMatchObject({ code: Code.Unauthenticated }),
  );

  it('lets its bearer in', async () => {
    expect(await rank('Bearer s3cret')).toMatchObject({ callId: 'in' });
    const transport = createInProcessTransport(kit.service, 'grpc', {
      interceptors: [
        (next) => (request) => {
          request.header.set('authorization', 'Bearer s3cret');
          return next(request);
        },
      ],
    });
    expect(await createClient(RankingService, transport).rank({ callId: 'in' })).toMatchObject({ callId: 'in' });
  });

  it('may not be empty', () => expect(() => createTokenInterceptor('')).toThrow(/lets everybody in/));
});
