import { describe, expect, it, onTestFinished } from 'vitest';
import { Code, holdWork, INITIAL_CREDIT_BYTES, releaseWork, type CallContext, type Service } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { bigAnswerCallee, echoCallee } from '../../../../test/support/src/contract-callees.ts';
import { patternBytes } from '../../../../test/support/src/contract-bytes.ts';
import { call } from './client.ts';
import { encode, number } from './frames.ts';
import { holdingService, startSockets } from './support.ts';

const WAIT = { timeout: 10_000, interval: 2 };
const PATH = { path: '/a.v1.B/C' };
const open1 = encode.open(1, PATH);

describe('a caller that breaks the rules', () => {
  it.each([
    ['text', 'open 1', 1003, 'protocol-error'],
    ['an empty message', [], 1002, 'protocol-error'],
    ['an unknown type', [9, 1], 1002, 'protocol-error'],
    ["the other side's type", [2, 1, 0], 1002, 'protocol-error'],
    ['half a frame', [...open1.subarray(0, 8)], 1002, 'protocol-error'],
    ['a number of six bytes', [4, 0x80, 0x80, 0x80, 0x80, 0x80, 0], 1002, 'protocol-error'],
    ['a number of 32 bits', [6, 1, ...number(0x8000_0000)], 1002, 'protocol-error'],
    ['id 0', [...encode.open(0, PATH)], 1002, 'protocol-error'],
    ['an id twice', [...open1, ...open1], 1002, 'protocol-error'],
    ['an id below the last', [...encode.open(5, PATH), ...encode.open(4, PATH)], 1002, 'protocol-error'],
    ['data of no call', [...encode.data(1, patternBytes(3, 1))], 1002, 'protocol-error'],
    ['an end of no call', [...encode.end(7)], 1002, 'protocol-error'],
    ['a cancel of no call', [...encode.cancel(7)], 1002, 'protocol-error'],
    ['data without bytes', [...open1, ...encode.data(1, new Uint8Array(0))], 1002, 'protocol-error'],
    ['a grant of nothing', [...open1, ...encode.grant(1, 0)], 1002, 'protocol-error'],
    ['two ends', [...open1, ...encode.end(1), ...encode.end(1)], 1002, 'protocol-error'],
    [
      'data after the end',
      [...open1, ...encode.end(1), ...encode.data(1, patternBytes(3, 1))],
      1008,
      'window-overflow',
    ],
    ['too much room', [...open1, ...encode.grant(1, 0x7fff_ffff)], 1008, 'window-overflow'],
    ['data beyond credit', 'credit', 1008, 'window-overflow'],
    ['a large message', [...encode.data(1, new Uint8Array(140_000))], 1009, 'protocol-error'],
  ] as const)('is closed for %s, and its calls with it', async (_, message, code, kind) => {
    const { service, held } = holdingService();
    const { connect, abuses, listener } = await startSockets(service);
    const client = await connect();
    const credit = Buffer.concat([open1, encode.data(1, new Uint8Array(INITIAL_CREDIT_BYTES + 1))]);
    client.webSocket.send(typeof message !== 'string' ? Buffer.from(message) : message === 'credit' ? credit : message);
    expect((await client.closed).code).toBe(code);
    expect(abuses).toEqual([kind]);
    expect(held.map(({ cancels }) => cancels)).toEqual(held.map(() => ['caller-gone']));
    expect(listener.openCalls()).toBe(0);
  });

  it('is closed when it opens and cancels call after call, and little work was begun', async () => {
    const { service, held } = holdingService();
    const { connect, abuses } = await startSockets(service, { limits: { resetBurst: 50, resetPerSecond: 1 } });
    const good = await connect();
    const goodCall = startCall(good.service);
    await expect.poll(() => held.length, WAIT).toBe(1);
    const client = await connect();
    for (let id = 1; id <= 1_000; id++)
      client.webSocket.send(Buffer.concat([encode.open(id, PATH), encode.cancel(id)]));
    expect((await client.closed).code).toBe(1008);
    expect(abuses).toEqual(['rapid-reset']);
    expect(held.length).toBeLessThanOrEqual(1 + 51);
    held[0]?.reply.end(['grpc-status', '0']);
    await goodCall.done;
  });

  it('gets resource_exhausted for a call beyond the limit, and is closed when it goes on', async () => {
    const { service, held } = holdingService();
    const { connect, abuses } = await startSockets(service, { limits: { maxStreams: 4, resetBurst: 10 } });
    const client = await connect();
    for (let i = 0; i < 4; i++) startCall(client.service);
    const refused = await call(client, createHead(), new Uint8Array(0));
    expect(refused.code).toBe(Code.resourceExhausted);
    expect(held.length).toBe(4);
    held[0]?.reply.end(['grpc-status', '0']);
    const taken = startCall(client.service);
    await expect.poll(() => held.length, WAIT).toBe(5);
    for (let i = 0; i < 40; i++) startCall(client.service);
    expect((await client.closed).code).toBe(1008);
    await taken.done;
    expect(abuses.at(-1)).toBe('rapid-reset');
    expect(held.length).toBe(5);
  });

  it('has no new place for a call that it cancelled until the work for it has ended', async () => {
    const contexts: CallContext[] = [];
    const { connect } = await startSockets(
      ({ call: context }) => {
        contexts.push(context);
        return { write() {}, end() {}, cancel: () => holdWork(context), grant() {} };
      },
      { limits: { maxStreams: 2 } },
    );
    const client = await connect();
    for (let i = 0; i < 2; i++) startCall(client.service).body.cancel('caller-gone');
    expect((await call(client, createHead(), new Uint8Array(0))).code).toBe(Code.resourceExhausted);
    releaseWork(contexts[0] as CallContext);
    startCall(client.service);
    await expect.poll(() => contexts.length, WAIT).toBe(3);
  });

  it('is closed for a flood of pings', async () => {
    const { connect, abuses } = await startSockets(echoCallee(), { limits: { pingsPerSecond: 20 } });
    const client = await connect();
    for (let i = 0; i < 200; i++) client.webSocket.ping();
    // Whoever floods may see the connection go before the close frame.
    expect([1006, 1008]).toContain((await client.closed).code);
    expect(abuses).toEqual(['ping-flood']);
  });

  it('holds little memory when it reads nothing, and is cut', async () => {
    let given = 0;
    const answer = patternBytes(400_000, 1);
    const service: Service = (head, reply) => {
      const counting = { ...reply, head: reply.head.bind(reply), end: reply.end.bind(reply) };
      return bigAnswerCallee(answer)(head, {
        ...counting,
        write(bytes) {
          given += bytes.length;
          reply.write(bytes);
        },
      });
    };
    const { connect, abuses, listener } = await startSockets(service, { limits: { writeStallMs: 300 } });
    const client = await connect();
    client.webSocket.pause();
    for (let id = 1; id <= 128; id++) {
      client.webSocket.send(Buffer.concat([encode.open(id, PATH), encode.grant(id, 1 << 30), encode.end(id)]));
    }
    await expect.poll(() => abuses, WAIT).toEqual(['slow-reader']);
    await expect.poll(() => listener.openCalls(), WAIT).toBe(0);
    // What the kernel took, and one credit of each call: not the 51 MB asked for.
    expect(given).toBeLessThan(20_000_000);
    client.webSocket.terminate();
  });

  it('is not read on while answers wait that it does not read', async () => {
    let started = 0;
    const answer = patternBytes(4_000, 1);
    const { connect, abuses } = await startSockets(
      (head, reply) => {
        started++;
        return bigAnswerCallee(answer)(head, reply);
      },
      { limits: { writeStallMs: 300 } },
    );
    const client = await connect();
    client.webSocket.pause();
    for (let id = 1; id <= 100_000; id += 100) {
      const calls = Array.from({ length: 100 }, (_, i) => [encode.open(id + i, PATH), encode.end(id + i)]);
      client.webSocket.send(Buffer.concat(calls.flat()));
    }
    await expect.poll(() => abuses, WAIT).toEqual(['slow-reader']);
    expect(started).toBeLessThan(5_000);
    client.webSocket.terminate();
  });

  it('is noticed when it is silent, and kept when it answers', async () => {
    const { service, held } = holdingService();
    const { connect } = await startSockets(service, { socketLimits: { pingIntervalMs: 400, pongTimeoutMs: 1_500 } });
    const alive = await connect();
    const silent = await connect({ autoPong: false });
    const calls = [startCall(alive.service), startCall(silent.service)];
    expect((await silent.closed).code).toBe(1006);
    await calls[1]?.done;
    let pings = 0;
    alive.webSocket.on('ping', () => pings++);
    await expect.poll(() => pings, WAIT).toBeGreaterThan(3);
    expect(held.flatMap(({ cancels }) => cancels)).toEqual(['caller-gone']);
  });
});

describe('a socket that goes', () => {
  it('says so in two phases when the listener closes, and cuts no call', async () => {
    const { service, held } = holdingService();
    const { connect, listener } = await startSockets(service);
    const client = await connect();
    const early = startCall(client.service);
    await expect.poll(() => held.length, WAIT).toBe(1);
    const closing = listener.close(30_000);
    onTestFinished(() => closing);
    // On its way before the notice is read: taken all the same.
    const crossing = startCall(client.service);
    await expect.poll(() => client.goAways, WAIT).toEqual([0x7fff_ffff, 2]);
    const late = startCall(client.service);
    await expect.poll(() => held.length, WAIT).toBe(2);
    for (const { reply } of held) reply.end(['grpc-status', '0']);
    await Promise.all([early.done, crossing.done]);
    expect([early, crossing].map(({ trailers }) => trailers)).toEqual([
      ['grpc-status', '0'],
      ['grpc-status', '0'],
    ]);
    expect((await client.closed).code).toBe(1001);
    await late.done;
    expect(late.error?.code).toBe(Code.unavailable);
    expect(held.length).toBe(2);
    await closing;
  });

  it('closes at once when no call is open', async () => {
    const { connect, listener } = await startSockets(echoCallee());
    const client = await connect();
    await listener.close(30_000);
    expect((await client.closed).code).toBe(1001);
    expect(client.goAways).toEqual([0x7fff_ffff, 0]);
  });

  it('is cut when the grace is over', async () => {
    const { service, held } = holdingService();
    const { connect, listener } = await startSockets(service);
    const client = await connect();
    startCall(client.service);
    await expect.poll(() => held.length, WAIT).toBe(1);
    await listener.close(50);
    expect((await client.closed).code).toBe(1006);
    expect(held[0]?.cancels).toEqual(['caller-gone']);
  });

  it('has said the last id when its peer does not read the notice', async () => {
    const { connect, listener } = await startSockets(echoCallee(), { socketLimits: { noticeTimeoutMs: 50 } });
    const client = await connect({ autoPong: false });
    await listener.close(30_000);
    expect(client.goAways).toEqual([0x7fff_ffff, 0]);
  });

  it.each([
    ['old', { sessionAgeMs: 1_000 }],
    ['idle', { sessionIdleMs: 300 }],
  ])('goes when it is %s, behind its last call', async (name, limits) => {
    const { service, held } = holdingService();
    const { connect } = await startSockets(service, { limits });
    const client = await connect();
    if (name === 'old') {
      const last = startCall(client.service);
      await expect.poll(() => client.goAways, WAIT).toEqual([0x7fff_ffff, 1]);
      held[0]?.reply.end(['grpc-status', '0']);
      await last.done;
    }
    expect((await client.closed).code).toBe(1001);
  });
});
