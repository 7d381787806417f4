import { connect as connectHttp2 } from 'node:http2';
import { expect, it, onTestFinished } from 'vitest';
import type { Cancel } from '@bascule/core';
import { answering, startListener } from './support.ts';

it('cuts an HTTP/2 caller that takes nothing of an answer that has ended', async () => {
  let answered = 0;
  let open = 0;
  const service = answering((_head, reply) => {
    answered++;
    reply.head({ status: 200, fields: [] });
    reply.write(new Uint8Array(10_000));
    reply.end([]);
    open = listener.openCalls();
  });
  const listener = await startListener(service, { limits: { writeStallMs: 300 } });
  const session = connectHttp2(`http://127.0.0.1:${listener.port}`, { settings: { initialWindowSize: 0 } });
  session.on('error', () => {});
  onTestFinished(() => session.destroy());
  for (let i = 0; i < 10; i++) session.request().on('error', () => {});
  await expect.poll(() => answered).toBe(10);
  // Seen as the last was answered: whoever looks later may find them cut.
  expect(open).toBe(10);
  await expect.poll(() => listener.openCalls()).toBe(0);
});

it('lets a caller take the end of an answer slowly', async () => {
  const service = answering((_head, reply) => {
    reply.head({ status: 200, fields: [] });
    reply.write(new Uint8Array(60_000));
    reply.end([]);
  });
  const { port } = await startListener(service, { limits: { writeStallMs: 1_000 } });
  const session = connectHttp2(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 3_000 } });
  onTestFinished(() => session.destroy());
  const stream = session.request();
  let received = 0;
  for await (const chunk of stream) {
    received += (chunk as Buffer).length;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(received).toBe(60_000);
  expect(stream.rstCode).toBe(0);
});

it('tells a service that broke inside a call to let go of it', async () => {
  const cancels: Cancel[] = [];
  const { port } = await startListener(() => ({
    write() {
      throw new Error('broken');
    },
    end() {},
    cancel: (reason) => void cancels.push(reason),
    grant() {},
  }));
  const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: 'x' });
  expect(response.status).toBe(500);
  expect(cancels).toEqual(['protocol-error']);
});
