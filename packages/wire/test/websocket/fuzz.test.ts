import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { echoCallee } from '../../../../test/support/src/contract-callees.ts';
import { createHead, fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { call } from './client.ts';
import { encode } from './frames.ts';
import { startSockets } from './support.ts';

const { seed: SEED } = fuzzing(1);
const WAIT = { interval: 2 };

const id = fc.integer({ min: 0, max: 6 });
const octets = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((code) => String.fromCharCode(code)) });
const fields = fc.array(fc.tuple(octets, octets), { maxLength: 4 }).map((pairs) => pairs.flat());
const path = fc.oneof(fc.constant('/a.v1.B/C'), octets);
const open = fc.record({ path, codec: fc.integer({ min: 0, max: 3 }), timeoutMs: fc.nat(), fields });

/** Mostly frames as they should be, in any order and for any call; sometimes bytes. */
const frame = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(id, open).map(([n, o]) => encode.open(n, o)) },
  { weight: 3, arbitrary: fc.tuple(id, fc.uint8Array({ maxLength: 300 })).map(([n, b]) => encode.data(n, b)) },
  { weight: 2, arbitrary: id.map((n) => encode.end(n)) },
  { weight: 2, arbitrary: fc.tuple(id, fc.nat(100_000)).map(([n, b]) => encode.grant(n, b)) },
  { weight: 1, arbitrary: id.map((n) => encode.cancel(n)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes)) },
);
const messages = fc.array(
  fc.record({ frames: fc.array(frame, { maxLength: 6 }), cut: fc.option(fc.nat(40), { freq: 5 }) }),
  { minLength: 1, maxLength: 6 },
);

it(
  `survives any frames, and ends all their calls (FUZZ_SEED=${SEED})`,
  { timeout: fuzzTimeoutMs(60_000) },
  async () => {
    const { connect, listener } = await startSockets(echoCallee());
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('uncaughtException', note);
    onTestFinished(() => void process.off('uncaughtException', note));
    await fc.assert(
      fc.asyncProperty(messages, async (sent) => {
        const client = await connect();
        for (const { frames, cut } of sent) {
          const message = Buffer.concat(frames);
          client.webSocket.send(cut === null ? message : message.subarray(0, cut));
        }
        // Whatever it made of them, it answers the close frame.
        client.webSocket.close();
        await client.closed;
        await expect.poll(() => listener.openCalls(), WAIT).toBe(0);
      }),
      fuzzing(300),
    );
    expect(unhandled).toEqual([]);
    const good = await connect();
    expect((await call(good, createHead(), new Uint8Array(0))).code).toBe(0);
  },
);

it(`survives any bytes behind the handshake (FUZZ_SEED=${SEED})`, { timeout: fuzzTimeoutMs(60_000) }, async () => {
  const { connect, listener } = await startSockets(echoCallee());
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (bytes) => {
      const client = await connect();
      // Past the client, which would frame them.
      (client.webSocket as unknown as { _socket: Socket })._socket.end(bytes);
      await client.closed;
      await expect.poll(() => listener.openCalls(), WAIT).toBe(0);
    }),
    fuzzing(150),
  );
});
