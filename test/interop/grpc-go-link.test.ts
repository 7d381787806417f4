import { canJudge } from '@bascule/testing/go-tool';
import { createCallContext, getField, systemClock, type Link, type RequestHead } from '@bascule/core';
import { createHttp2Link } from '@bascule/wire';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildGrpcGo, startGrpcGo } from './grpc-go.ts';

const go = canJudge('grpc-go as server of our link');

function sayHead(): RequestHead {
  return {
    method: 'POST',
    path: '/e2e.v1.EchoService/Say',
    authority: '',
    scheme: 'http',
    fields: ['content-type', 'application/grpc', 'te', 'trailers'],
    call: createCallContext('t', 0, ''),
  };
}

/** A StringValue in its frame. */
function say(text: string): Buffer {
  const value = Buffer.from(text);
  return Buffer.concat([Buffer.from([0, 0, 0, 0, value.length + 2, 10, value.length]), value]);
}

interface Ended {
  readonly status: string;
}

function call(link: Link, text: string, head = sayHead()): { ended: Promise<Ended>; cancel(): void } {
  const ended = Promise.withResolvers<Ended>();
  const body = link.service(head, {
    head() {},
    write: (bytes) => body.grant(bytes.length),
    end: (trailers) => ended.resolve({ status: getField(trailers, 'grpc-status') ?? 'none' }),
    fail: (error) => ended.resolve({ status: error.message }),
    grant() {},
  });
  body.write(say(text));
  body.end();
  return { ended: ended.promise, cancel: () => body.cancel('caller-gone') };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

describe.skipIf(!go)('cancelled calls at grpc-go', { timeout: 240_000 }, () => {
  let program = '';
  beforeAll(async () => {
    program = await buildGrpcGo();
  }, 240_000);

  test('200 one after the other and 200 at once cost no other call, and end on the server', async () => {
    await using server = await startGrpcGo(program);
    const link = createHttp2Link({ host: '127.0.0.1', port: server.port, clock: systemClock, maxConnections: 1 });
    try {
      expect(await call(link, 'first').ended).toEqual({ status: '0' });
      const losses: boolean[] = [];
      link.onReadyChange((ready) => losses.push(ready));
      const open = call(link, 'hang');
      let lost: string | undefined;
      void open.ended.then(({ status }) => (lost = status));
      const heads: RequestHead[] = [];
      const hang = () => {
        const head = sayHead();
        heads.push(head);
        return call(link, 'hang', head);
      };
      for (let i = 0; i < 200; i++) {
        const cancelled = hang();
        await turn();
        cancelled.cancel();
        if (i % 20 === 0) expect(await call(link, `beside ${i}`).ended).toEqual({ status: '0' });
        else await turn();
      }
      const all = Array.from({ length: 200 }, hang);
      const beside = Array.from({ length: 50 }, (_, i) => call(link, `beside ${i}`));
      await turn();
      for (const cancelled of all) cancelled.cancel();
      expect(heads.slice(-200).every((head) => head.call.work === 1)).toBe(true);
      for (const { ended } of beside) expect(await ended).toEqual({ status: '0' });
      while (heads.some((head) => head.call.work > 0)) expect(await call(link, 'more').ended).toEqual({ status: '0' });
      expect(lost).toBeUndefined();
      expect(losses).toEqual([]);
      open.cancel();
    } finally {
      link.destroy();
    }
  });

  test('without any answer between them, PINGs stay few', async () => {
    await using server = await startGrpcGo(program);
    const link = createHttp2Link({ host: '127.0.0.1', port: server.port, clock: systemClock, maxConnections: 1 });
    try {
      const open = call(link, 'hang');
      let lost: string | undefined;
      void open.ended.then(({ status }) => (lost = status));
      for (let i = 0; i < 200; i++) {
        const cancelled = call(link, 'hang');
        await new Promise((resolve) => systemClock.after(i % 4, () => resolve(undefined)));
        cancelled.cancel();
      }
      expect(await call(link, 'after').ended).toEqual({ status: '0' });
      expect(lost).toBeUndefined();
      open.cancel();
    } finally {
      link.destroy();
    }
  });
});
