import { describe, expect, it } from 'vitest';
import {
  callError,
  Code,
  getField,
  INITIAL_CREDIT_BYTES,
  systemClock,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { bigAnswerCallee, echoCallee } from '../../../../test/support/src/contract-callees.ts';
import { frameMessage, patternBytes, sameBytes } from '../../../../test/support/src/contract-bytes.ts';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { call } from './client.ts';
import { decode, encode } from './frames.ts';
import { holdingService, startSockets } from './support.ts';

const WAIT = { interval: 2 };

/** As a gateway has it: the dialect layer between socket and callee. */
function behindDialect(callee: Service): Service {
  const other: Service = () => {
    throw new Error('a call of a socket is always RPC');
  };
  return createDialectLayer({ clock: systemClock, other, maxMessageBytes: 100_000, cors: { allowOrigins: ['*'] } })(
    callee,
  );
}

describe('calls over one WebSocket', () => {
  it('carries a hundred at the same time, each with its own answer', async () => {
    const { connect, listener } = await startSockets(behindDialect(echoCallee()));
    const client = await connect();
    const messages = Array.from({ length: 100 }, (_, i) => frameMessage(patternBytes(100 + i * 37, i)));
    const answers = await Promise.all(messages.map((message) => call(client, createHead(), message)));
    expect(answers.map(({ code }) => code)).toEqual(messages.map(() => 0));
    answers.forEach(({ bytes }, i) => expect(sameBytes(bytes, messages[i] as Uint8Array)).toBe(true));
    expect(listener.openCalls()).toBe(0);
  });

  it('enters the service as gRPC that names its dialect, with the fields of the handshake', async () => {
    const heads: RequestHead[] = [];
    const { connect } = await startSockets(
      behindDialect((head, reply) => {
        heads.push(head);
        return echoCallee()(head, reply);
      }),
    );
    const client = await connect({ headers: { cookie: 'a=1', 'user-agent': 'tests' } });
    client.webSocket.send(
      encode.open(1, {
        path: '/a.v1.B/C',
        codec: 1,
        timeoutMs: 2_500,
        fields: ['x-one', '1', 'cookie', 'forged', 'x-forwarded-for', '1.2.3.4', 'grpc-timeout', '1H', 'x-one', '2'],
      }),
    );
    await expect.poll(() => heads.length, WAIT).toBe(1);
    const { method, path, fields, call: context } = heads[0] as RequestHead;
    expect([method, path, context.dialect, context.httpVersion]).toEqual(['POST', '/a.v1.B/C', 'websocket', '1.1']);
    expect(fields.join(' ')).toBe(
      'content-type application/grpc+json te trailers x-one 1 x-one 2 cookie a=1 user-agent tests x-forwarded-for 127.0.0.1',
    );
    expect((context.deadlineMs as number) - context.startedMs).toBeGreaterThan(2_400);
    expect((context.deadlineMs as number) - context.startedMs).toBeLessThan(2_600);
  });

  it('tells code, message, details and trailers of an error', async () => {
    const status = ['grpc-status', '5', 'grpc-message', 'nothing like 100 %25 gr%C3%B6%C3%9Fer'];
    const details = Buffer.from('details of any bytes \u0000\u00ff', 'latin1');
    const { connect } = await startSockets(
      behindDialect((_head, reply) => ({
        write() {},
        end: () => reply.end([...status, 'grpc-status-details-bin', details.toString('base64'), 'x-after', 'all']),
        cancel() {},
        grant() {},
      })),
    );
    const client = await connect();
    const frames = new Promise<Buffer>((resolve) => client.webSocket.once('message', resolve));
    client.webSocket.send(Buffer.concat([encode.open(1, { path: '/a.v1.B/C' }), encode.end(1)]));
    expect(decode(await frames)).toEqual([
      { type: 'trailers', id: 1, code: 5, message: 'nothing like 100 % größer', details, fields: ['x-after', 'all'] },
    ]);
  });

  it('says a failure of ours by its code, and so what a page of a proxy means', async () => {
    const { connect } = await startSockets((head, reply) => ({
      write() {},
      end() {
        if (head.path === '/a.v1.B/Fail') reply.fail(callError(Code.unavailable, 'nobody is there'));
        else reply.head({ status: 404, fields: ['content-type', 'text/html'] });
        reply.write(Buffer.from('<html>'));
        reply.end([]);
      },
      cancel() {},
      grant() {},
    }));
    const client = await connect();
    const failed = await call(client, createHead({ path: '/a.v1.B/Fail' }), new Uint8Array(0));
    expect(failed.trailers).toEqual(['grpc-status', '14', 'grpc-message', 'nobody is there']);
    expect((await call(client, createHead(), new Uint8Array(0))).code).toBe(Code.unimplemented);
  });

  it('costs a service that throws its own call only', async () => {
    const { connect } = await startSockets((head, reply) => {
      if (head.path === '/a.v1.B/Throw') throw new Error('broken');
      return echoCallee()(head, reply);
    });
    const client = await connect();
    const message = frameMessage(patternBytes(10, 1));
    expect((await call(client, createHead({ path: '/a.v1.B/Throw' }), message)).code).toBe(Code.internal);
    expect((await call(client, createHead(), message)).code).toBe(Code.ok);
  });

  it('refuses a message above the limit, and a call that ends inside of one', async () => {
    const { connect } = await startSockets(behindDialect(echoCallee()));
    const client = await connect();
    const large = await call(client, createHead(), frameMessage(new Uint8Array(100_001)).subarray(0, 100));
    expect(large.code).toBe(Code.resourceExhausted);
    const cut = await call(client, createHead(), frameMessage(new Uint8Array(1_000)).subarray(0, 100));
    expect(cut.code).toBe(Code.internal);
  });

  it.each([
    ['a path that is none', { path: 'a.v1.B/C' }, Code.unimplemented],
    ['a path with spaces', { path: '/a.v1.B/C D' }, Code.unimplemented],
    ['a codec that is not known', { path: '/a.v1.B/C', codec: 2 }, Code.unimplemented],
    ['an upper-case name', { path: '/a.v1.B/C', fields: ['X-A', '1'] }, Code.invalidArgument],
    ['a name with a colon', { path: '/a.v1.B/C', fields: [':path', '/x'] }, Code.invalidArgument],
    ['a value with a line break', { path: '/a.v1.B/C', fields: ['x-a', '1\r\nx-b: 2'] }, Code.invalidArgument],
    ['too many fields', { path: '/a.v1.B/C', fields: Array.from({ length: 202 }, () => 'x') }, Code.resourceExhausted],
    ['a head too large', { path: '/a.v1.B/C', fields: ['x-a', 'a'.repeat(20_000)] }, Code.resourceExhausted],
  ])('refuses %s, and goes on', async (_, open, code) => {
    const { connect } = await startSockets(echoCallee());
    const client = await connect();
    const refused = new Promise<Buffer>((resolve) => client.webSocket.once('message', resolve));
    client.webSocket.send(Buffer.concat([encode.open(1, open), encode.data(1, patternBytes(9, 1)), encode.end(1)]));
    expect(decode(await refused)).toMatchObject([{ type: 'trailers', id: 1, code }]);
    client.webSocket.send(Buffer.concat([encode.open(2, { path: '/a.v1.B/C' }), encode.end(2)]));
    const next = await new Promise<Buffer>((resolve) => client.webSocket.once('message', resolve));
    expect(decode(next).at(-1)).toMatchObject({ type: 'trailers', id: 2, code: 0 });
  });

  it('stalls only the call whose answer is not read', async () => {
    const answer = patternBytes(2_000_000, 7);
    let given = 0;
    const { connect } = await startSockets((head, reply) => {
      if (head.path !== '/a.v1.B/Big') return echoCallee()(head, reply);
      const counting = { ...reply, head: reply.head.bind(reply), end: reply.end.bind(reply) };
      return bigAnswerCallee(answer)(head, {
        ...counting,
        write(bytes) {
          given += bytes.length;
          reply.write(bytes);
        },
      });
    });
    const client = await connect();
    const slow = startCall(client.service, createHead({ path: '/a.v1.B/Big' }), false);
    slow.body.end();
    await expect.poll(() => slow.bytes().length, WAIT).toBe(INITIAL_CREDIT_BYTES);
    for (let i = 0; i < 20; i++) {
      const message = frameMessage(patternBytes(20_000, i));
      expect(sameBytes((await call(client, createHead(), message)).bytes, message)).toBe(true);
    }
    expect(given).toBe(INITIAL_CREDIT_BYTES);
    // A large grant is spent in pieces of the callee's own credit, and nothing is lost.
    slow.body.grant(answer.length);
    await slow.done;
    expect(sameBytes(Buffer.concat(slow.chunks), answer)).toBe(true);
  });

  it('brings a cancel to the callee, and cancels all when the socket goes', async () => {
    const { service, held } = holdingService();
    const { connect, listener } = await startSockets(service);
    const client = await connect();
    const calls = [1, 2, 3].map(() => startCall(client.service));
    await expect.poll(() => held.length, WAIT).toBe(3);
    expect(listener.openCalls()).toBe(3);
    calls[0]?.body.cancel('caller-gone');
    await expect.poll(() => held[0]?.cancels, WAIT).toEqual(['caller-gone']);
    expect(listener.openCalls()).toBe(2);
    client.webSocket.terminate();
    await expect.poll(() => held.map(({ cancels }) => cancels), WAIT).toEqual(held.map(() => ['caller-gone']));
    expect(listener.openCalls()).toBe(0);
    await calls[1]?.done;
    expect(calls[1]?.error?.code).toBe(Code.unavailable);
  });

  it('keeps frames of ended calls from doing harm', async () => {
    const { connect } = await startSockets((_head, reply) => {
      queueMicrotask(() => reply.end(['grpc-status', '0']));
      return { write() {}, end() {}, cancel() {}, grant() {} };
    });
    const client = await connect();
    const early = startCall(client.service);
    await early.done;
    client.webSocket.send(
      Buffer.concat([encode.data(1, patternBytes(5, 5)), encode.grant(1, 5), encode.end(1), encode.cancel(1)]),
    );
    const next = startCall(client.service);
    await next.done;
    expect(getField(next.trailers ?? [], 'grpc-status')).toBe('0');
  });
});
