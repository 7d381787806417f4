import { once } from 'node:events';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, it, onTestFinished } from 'vitest';
import {
  Code,
  createCallContext,
  createVirtualClock,
  getField,
  holdWork,
  releaseWork,
  systemClock,
  type Cancel,
  type Link,
  type Reply,
  type RequestHead,
  type Service,
} from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { createPortLink } from '../../src/port/link.ts';
import { servePort, type PortServer } from '../../src/port/server.ts';

const IDLE: Service = () => ({ write() {}, end() {}, cancel() {}, grant() {} });
const NOBODY: Reply = { head() {}, write() {}, end() {}, fail() {}, grant() {} };
const EMPTY: Service = (_head, reply) => ({
  write() {},
  end: () => reply.end(['grpc-status', '0']),
  cancel() {},
  grant() {},
});

function createPair(service: Service): { link: Link; server: PortServer } {
  const { port1, port2 } = new MessageChannel();
  const server = servePort(port2, service, systemClock);
  const link = createPortLink(port1, systemClock);
  onTestFinished(async () => {
    link.destroy();
    await server.onClosed;
  });
  return { link, server };
}

function startWorker(): { exited: Promise<unknown>; link: Link } {
  const worker = new Worker(new URL('worker.ts', import.meta.url), { execArgv: [] });
  // Heard from the start: a thread may have ended before its port is known to be closed.
  const exited = once(worker, 'exit');
  const { port1, port2 } = new MessageChannel();
  worker.postMessage(port2, [port2]);
  onTestFinished(async () => void (await worker.terminate()));
  return { exited, link: createPortLink(port1, systemClock) };
}

it('tells the other thread what it needs of the context, on its own clock', async () => {
  const { exited, link } = startWorker();
  const call = createCallContext('call-7', 5, '10.0.0.9');
  call.dialect = 'connect';
  call.deadlineMs = systemClock.nowMs() + 60_000;
  call.method = { service: 's.v1.S', method: 'M', kind: 'unary', idempotency: 'idempotent' };
  const started = startCall(link.service, createHead({ path: '/context', call }));
  started.body.end();
  await started.done;
  const seen = JSON.parse(Buffer.from(started.bytes()).toString()) as { leftMs: number };
  expect(seen).toMatchObject({
    id: 'call-7',
    peer: '10.0.0.9',
    dialect: 'connect',
    method: call.method,
    isOtherThread: true,
  });
  expect(seen.leftMs).toBeGreaterThan(0);
  expect(seen.leftMs).toBeLessThanOrEqual(60_000);
  await link.close();
  await exited;
});

it('moves a deadline by the difference of the clocks', async () => {
  const [ours, theirs] = [createVirtualClock(1, 1_000), createVirtualClock(1, 500_000)];
  const { port1, port2 } = new MessageChannel();
  const heads: RequestHead[] = [];
  const server = servePort(port2, (head, reply) => (heads.push(head), EMPTY(head, reply)), theirs);
  const link = createPortLink(port1, ours);
  const call = createCallContext('a', 1_000, '');
  call.deadlineMs = 1_250;
  const started = startCall(link.service, createHead({ call }));
  started.body.end();
  await started.done;
  expect(heads[0]?.call).toMatchObject({ deadlineMs: 500_250, startedMs: 500_000 });
  expect(heads[0]?.call).not.toBe(call);
  await link.close();
  await server.onClosed;
});

it('fails open calls when the thread dies, and calls after it as never sent', async () => {
  const { exited, link } = startWorker();
  const changes: boolean[] = [];
  link.onReadyChange((ready) => void changes.push(ready));
  const open = startCall(link.service, createHead({ path: '/echo' }));
  open.body.write(Buffer.from('x'));
  await expect.poll(() => open.chunks.length).toBe(1);
  const crashing = startCall(link.service, createHead({ path: '/crash' }));
  crashing.body.end();
  await Promise.all([open.done, crashing.done, exited]);
  expect(open.error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
  expect(crashing.error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
  expect(link.isReady()).toBe(false);
  expect(changes).toEqual([false]);
  const late = startCall(link.service);
  late.body.write(Buffer.from('x'));
  late.body.end();
  await late.done;
  expect(late.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
  await link.close();
});

it('counts a cancelled call as work until its handler has settled, or the port is gone', async () => {
  const busy: RequestHead[] = [];
  const { link, server } = createPair((head) => ({
    ...IDLE(head, NOBODY),
    cancel() {
      holdWork(head.call);
      busy.push(head);
    },
  }));
  const heads = [createHead(), createHead()] as const;
  for (const head of heads) startCall(link.service, head).body.cancel('caller-gone');
  expect(heads.map(({ call }) => call.work)).toEqual([1, 1]);
  await expect.poll(() => busy.length).toBe(2);
  releaseWork((busy[0] as RequestHead).call);
  await expect.poll(() => heads[0].call.work).toBe(0);
  expect(heads[1].call.work).toBe(1);
  server.close();
  await expect.poll(() => heads[1].call.work).toBe(0);
});

it('lets go of a call whose cancel crossed its end', async () => {
  const held: number[] = [];
  const { link, server } = createPair((_, reply) => ({
    ...IDLE(head, NOBODY),
    end() {
      reply.end(['grpc-status', '0']);
      // Its end is on the way, and not there yet.
      call.body.cancel('deadline');
      held.push(head.call.work);
    },
  }));
  const head = createHead();
  const call = startCall(link.service, head);
  call.body.end();
  await expect.poll(() => held).toEqual([1]);
  await expect.poll(() => head.call.work).toBe(0);
  expect(server.openCalls()).toBe(0);
});

it('counts a call that its callee has ended as work until the handler has settled', async () => {
  const busy: RequestHead[] = [];
  const { link } = createPair((head, reply) => ({
    ...IDLE(head, NOBODY),
    end() {
      holdWork(head.call);
      busy.push(head);
      reply.end(['grpc-status', '4']);
      if (busy.length === 2) calls[1]?.body.cancel('deadline');
    },
  }));
  const heads = [createHead(), createHead()] as const;
  const calls = heads.map((head) => startCall(link.service, head));
  for (const call of calls) call.body.end();
  await calls[0]?.done;
  expect(heads.map(({ call }) => call.work)).toEqual([1, 1]);
  for (const { call } of busy) releaseWork(call);
  await expect.poll(() => heads.map(({ call }) => call.work)).toEqual([0, 0]);
});

it('fails calls that were still gathered when it was destroyed as never sent', async () => {
  const { link, server } = createPair(IDLE);
  const sent = startCall(link.service);
  await expect.poll(() => server.openCalls()).toBe(1);
  const gathered = startCall(link.service);
  link.destroy();
  await Promise.all([sent.done, gathered.done, server.onClosed]);
  expect(sent.error).toMatchObject({ processed: 'maybe' });
  expect(gathered.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
});

it('lets open calls end before it closes, and takes no new ones', async () => {
  const answers: (() => void)[] = [];
  const { link, server } = createPair((_head, reply) => ({
    write() {},
    end: () => void answers.push(() => reply.end(['grpc-status', '0'])),
    cancel() {},
    grant() {},
  }));
  const call = startCall(link.service);
  call.body.end();
  await expect.poll(() => answers.length).toBe(1);
  expect(server.openCalls()).toBe(1);
  let isClosed = false;
  const closing = link.close().then(() => (isClosed = true));
  const late = startCall(link.service);
  await late.done;
  expect(late.error).toMatchObject({ code: Code.unavailable, processed: 'never-sent' });
  expect(isClosed).toBe(false);
  answers[0]?.();
  await call.done;
  expect(call.trailers).toEqual(['grpc-status', '0']);
  await Promise.all([closing, server.onClosed]);
  expect(server.openCalls()).toBe(0);
  await link.close();
});

it('cancels the calls of a caller that has gone', async () => {
  const cancels: Cancel[] = [];
  const { link, server } = createPair(() => ({
    write() {},
    end() {},
    cancel: (r) => void cancels.push(r),
    grant() {},
  }));
  const call = startCall(link.service);
  await expect.poll(() => server.openCalls()).toBe(1);
  link.destroy();
  await Promise.all([server.onClosed, call.done]);
  expect(cancels).toEqual(['caller-gone']);
  expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
});

it('answers for a service that throws, and tells it to let go of the call', async () => {
  const cancels: Cancel[] = [];
  const { link, server } = createPair((head) => {
    if (head.path === '/start') throw new Error('broken');
    return {
      write() {},
      end() {
        throw new Error('broken');
      },
      cancel(reason) {
        cancels.push(reason);
        throw new Error('broken for good');
      },
      grant() {},
    };
  });
  for (const path of ['/start', '/end']) {
    const call = startCall(link.service, createHead({ path }));
    call.body.end();
    await call.done;
    expect(call.error?.code).toBe(Code.internal);
  }
  expect(cancels).toEqual(['protocol-error']);
  expect(server.openCalls()).toBe(0);
});

it.each([
  ['nothing', null],
  ['no frames', [5, undefined]],
  ['no frame', [[null], undefined]],
  ['a head without fields', [[['head', 1, 200, null]], undefined]],
])('closes when the other end says %s', async (_, message) => {
  const { port1, port2 } = new MessageChannel();
  const link = createPortLink(port1, systemClock);
  // Reads what it is given, as every layer in front does.
  const call = startCall((head, reply) => link.service(head, { ...reply, head: ({ fields }) => void fields.length }));
  await once(port2, 'message');
  port2.postMessage(message);
  await once(port2, 'close');
  await link.close();
  await call.done;
  expect(call.error).toMatchObject({ code: Code.unavailable, processed: 'maybe' });
});

it('posts no more than it has to say', async () => {
  const { port1, port2 } = new MessageChannel();
  const sizes: number[] = [];
  port2.on('message', ([, bytes]: [unknown, Uint8Array | undefined]) => void sizes.push(bytes?.buffer.byteLength ?? 0));
  const link = createPortLink(port1, systemClock);
  const pool = new Uint8Array(1024 * 1024);
  const calls = [startCall(link.service), startCall(link.service)];
  for (const call of calls) call.body.write(pool.subarray(100, 135));
  await expect.poll(() => sizes).toEqual([70]);
  port2.close();
  await Promise.all(calls.map((call) => call.done));
});

it('carries ten thousand small calls at once, each its own answer', async () => {
  const { exited, link } = startWorker();
  const calls = Array.from({ length: 10_000 }, (_, i) => {
    const call = startCall(link.service, createHead({ path: '/echo' }));
    call.body.write(Buffer.from(`message ${i}`));
    call.body.end();
    return call;
  });
  await Promise.all(calls.map((call) => call.done));
  const wrong = calls.filter((call, i) => Buffer.from(call.bytes()).toString() !== `message ${i}`);
  expect(wrong).toHaveLength(0);
  await link.close();
  await exited;
});

it.each([
  ['an end without fields', [['end', 1]]],
  ['an end with a hole among its fields', [['end', 1, ['grpc-status', undefined]]]],
  ['a failure that is none', [['fail', 1, { code: 0, message: '', processed: 'never-sent' }]]],
  ['bytes that it does not hold', [['write', 1, 5]]],
  ['a list of nothing', [undefined]],
])('fails its calls and closes when the other thread posts %s', async (_, frames) => {
  const { port1, port2 } = new MessageChannel();
  const link = createPortLink(port1, systemClock);
  const dialect = createDialectLayer({ maxMessageBytes: 1_000, clock: systemClock, other: link.service });
  const call = startCall(dialect(link.service));
  port2.postMessage([frames, new Uint8Array(2)]);
  await call.done;
  expect(getField([...(call.trailers ?? []), ...(call.heads[0]?.fields ?? [])], 'grpc-status')).toBe('14');
  await link.close();
});

it.each([
  ['nothing', undefined],
  ['a call without an id', [[['call', Number.NaN, 'POST', '/', '', 'http', [], ['', '', 'grpc', 0, undefined]]]]],
  ['a call without its facts', [[['call', 1, 'POST']]]],
])('closes when its caller posts %s', async (_, message) => {
  const { port1, port2 } = new MessageChannel();
  const server = servePort(port2, IDLE, systemClock);
  port1.postMessage(message);
  await server.onClosed;
  expect(server.openCalls()).toBe(0);
});
