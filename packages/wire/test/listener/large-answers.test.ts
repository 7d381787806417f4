import { connect as connectHttp2 } from 'node:http2';
import { once } from 'node:events';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRandom, INITIAL_CREDIT_BYTES, type Service } from '@bascule/core';
import { TEST_TLS } from '@bascule/testing/tls';
import { connectRaw, startListener } from './support.ts';

/** Says at once how many bytes it got credit for while it wrote 60,000. */
function createHasty(): { service: Service; granted: Promise<number> } {
  const { promise, resolve } = Promise.withResolvers<number>();
  let granted = 0;
  const service: Service = (_head, reply) => ({
    write() {},
    end() {
      reply.head({ status: 200, fields: [] });
      reply.write(new Uint8Array(60_000));
      resolve(granted);
      reply.end([]);
    },
    cancel() {},
    grant: (bytes) => void (granted += bytes),
  });
  return { service, granted: promise };
}

it.each([1, 2])(
  'gives credit for what an HTTP/%i caller takes without waiting for the end of the turn',
  async (version) => {
    const { service, granted } = createHasty();
    const { port } = await startListener(service);
    if (version === 1) {
      (await connectRaw(port)).write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    } else {
      const session = connectHttp2(`http://127.0.0.1:${port}`);
      onTestFinished(() => session.destroy());
      await once(session, 'remoteSettings');
      session.request().resume();
    }
    expect(await granted).toBe(60_000);
  },
);

/** Bytes that tell whose they are, and where they stand. */
function byteAt(seed: number, at: number): number {
  return (seed * 31 + at + (at >>> 8) * 7) & 0xff;
}

/** Answers `/SEED/BYTES` in pieces of any size, within credit, out of one buffer that it spoils after each. */
function createPatterned(): { service: Service; written: Map<number, number> } {
  const written = new Map<number, number>();
  const service: Service = (head, reply) => {
    const [seed, total] = head.path.slice(1).split('/').map(Number) as [number, number];
    const random = createRandom(seed);
    const piece = new Uint8Array(20_000);
    let credit = INITIAL_CREDIT_BYTES;
    let at = 0;
    let state: 'waiting' | 'writing' | 'over' = 'waiting';
    const pump = (): void => {
      if (state !== 'waiting') return;
      state = 'writing';
      while (at < total && credit > 0) {
        const count = Math.min(credit, total - at, 1 + Math.floor(random() * piece.length));
        for (let i = 0; i < count; i++) piece[i] = byteAt(seed, at + i);
        at += count;
        credit -= count;
        reply.write(piece.subarray(0, count));
        piece.fill(0xee);
      }
      written.set(seed, at);
      state = at === total ? 'over' : 'waiting';
      if (at === total) reply.end([]);
    };
    return {
      write() {},
      end() {
        reply.head({ status: 200, fields: [] });
        pump();
      },
      cancel: () => void (state = 'over'),
      grant(bytes) {
        credit += bytes;
        pump();
      },
    };
  };
  return { service, written };
}

/** Reads all, and returns how many bytes came and the first that is wrong, or -1. */
async function check(source: Readable, seed: number): Promise<{ bytes: number; wrongAt: number }> {
  let bytes = 0;
  let wrongAt = -1;
  for await (const chunk of source) {
    for (const byte of chunk as Buffer) {
      if (wrongAt === -1 && byte !== byteAt(seed, bytes)) wrongAt = bytes;
      bytes++;
    }
  }
  return { bytes, wrongAt };
}

type Open = (port: number, path: string) => Promise<Readable>;

const WAYS: readonly (readonly [string, boolean, Open])[] = [
  ['HTTP/1.1', false, (port, path) => answerOf(requestHttp({ port, path, agent: false }))],
  [
    'HTTP/1.1 over TLS',
    true,
    (port, path) => answerOf(requestHttps({ port, path, agent: false, rejectUnauthorized: false })),
  ],
  ['HTTP/2', false, (port, path) => openStream(`http://127.0.0.1:${port}`, path)],
  ['HTTP/2 over TLS', true, (port, path) => openStream(`https://127.0.0.1:${port}`, path)],
];

async function answerOf(request: ReturnType<typeof requestHttp>): Promise<IncomingMessage> {
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

async function openStream(authority: string, path: string): Promise<Readable> {
  const session = connectHttp2(authority, { rejectUnauthorized: false, settings: { initialWindowSize: 1_000_000 } });
  onTestFinished(() => session.destroy());
  return session.request({ ':path': path });
}

describe.each(WAYS)('answers over %s', (_name, isTls, open) => {
  it('come whole and unmixed to callers that stop reading for a while', async () => {
    const { service, written } = createPatterned();
    const { port } = await startListener(service, isTls ? { tls: TEST_TLS } : {});
    const slow = await open(port, '/1/16000000');
    for (let before = -1; before !== (written.get(1) ?? 0); await pause(50)) before = written.get(1) ?? 0;
    const others = await Promise.all([2, 3, 4].map((seed) => open(port, `/${seed}/1000000`)));
    const checks = await Promise.all([check(slow, 1), ...others.map((source, i) => check(source, i + 2))]);
    expect(checks.map(({ wrongAt }) => wrongAt)).toEqual([-1, -1, -1, -1]);
    expect(checks.map(({ bytes }) => bytes)).toEqual([16_000_000, 1_000_000, 1_000_000, 1_000_000]);
  });
});
