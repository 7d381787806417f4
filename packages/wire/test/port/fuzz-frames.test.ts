import { once } from 'node:events';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import * as fc from 'fast-check';
import { systemClock, type Service } from '@bascule/core';
import { createHead, fuzzing, fuzzTimeoutMs, startCall } from '@bascule/testing';
import { expect, it, onTestFinished } from 'vitest';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { createPortLink } from '../../src/port/link.ts';
import { servePort } from '../../src/port/server.ts';
import { answering, connectRaw, startListener } from '../listener/support.ts';

const CALLS = 4;

/** What a thread can post in the place of anything. */
const odd = fc.oneof(
  fc.constantFrom(undefined, null, Number.NaN, -1, 1.5, 2 ** 53, 2n, '', '1', true, new Date(0), new Uint8Array(3)),
  fc.constantFrom<unknown[]>([], [1], ['a'], [['a', 'b']], new Map()),
  fc.anything({ maxDepth: 1, withBigInt: true }),
);
const mostly = (arbitrary: fc.Arbitrary<unknown>) => fc.oneof({ weight: 12, arbitrary }, odd);
const id = mostly(fc.integer({ min: 0, max: CALLS + 1 }));
const fields = mostly(
  fc
    .array(
      fc.tuple(fc.constantFrom('content-type', 'grpc-status', 'x-a', ''), mostly(fc.constantFrom('0', '5', 'a\nb'))),
      {
        maxLength: 3,
      },
    )
    .map((pairs) => pairs.flat()),
);
const kind = (name: string): fc.Arbitrary<unknown> => mostly(fc.constant(name));
const calleeFrame = mostly(
  fc.oneof(
    fc.tuple(kind('head'), id, mostly(fc.constantFrom(200, 200, 200, 50, 404)), fields),
    fc.tuple(kind('write'), id, mostly(fc.nat(12))),
    fc.tuple(kind('end'), id, fields),
    fc.tuple(kind('fail'), id, mostly(fc.record({ code: odd, message: odd, processed: odd, details: odd }))),
    fc.tuple(kind('grant'), id, mostly(fc.nat(100_000))),
    fc.tuple(kind('settled'), id),
    fc.tuple(kind('working'), id),
  ),
);
const context = mostly(fc.tuple(mostly(fc.string()), mostly(fc.string()), kind('grpc'), mostly(fc.nat(50)), odd));
const callerFrame = mostly(
  fc.oneof(
    {
      weight: 3,
      arbitrary: fc.tuple(
        kind('call'),
        id,
        mostly(fc.constant('POST')),
        kind('/a.v1.B/C'),
        kind('a'),
        kind('http'),
        fields,
        context,
      ),
    },
    fc.tuple(kind('write'), id, mostly(fc.nat(12))),
    fc.tuple(kind('end'), id),
    fc.tuple(kind('cancel'), id, kind('deadline')),
    fc.tuple(kind('grant'), id, mostly(fc.nat(100_000))),
  ),
);
const bytes = mostly(fc.uint8Array({ maxLength: 30 }));
const messagesOf = (frame: fc.Arbitrary<unknown>) =>
  fc.array(mostly(fc.tuple(mostly(fc.array(frame, { maxLength: 6 })), bytes)), { maxLength: 5 });

/** What a port cannot carry is no attack. */
function post(port: MessagePort, message: unknown): void {
  try {
    port.postMessage(message);
  } catch {
    port.postMessage('x');
  }
}

function watchProcess(): unknown[] {
  const faults: unknown[] = [];
  const note = (fault: unknown): void => void faults.push(fault);
  process.on('uncaughtException', note).on('unhandledRejection', note);
  onTestFinished(() => void process.off('uncaughtException', note).off('unhandledRejection', note));
  return faults;
}

it('ends every call of a link whatever the other thread posts', { timeout: fuzzTimeoutMs(20_000) }, async () => {
  const faults = watchProcess();
  await fc.assert(
    fc.asyncProperty(messagesOf(calleeFrame), async (messages) => {
      const { port1, port2 } = new MessageChannel();
      const link = createPortLink(port1, systemClock);
      const layer = createDialectLayer({ maxMessageBytes: 1_000, clock: systemClock, other: link.service });
      const service = layer(link.service);
      const types = ['application/grpc', 'application/grpc-web-text', 'application/connect+json', 'application/json'];
      const heads = types.map((type) => createHead({ fields: ['content-type', type] }));
      const calls = [...heads.map((head) => startCall(service, head)), startCall(link.service)];
      for (const call of calls) call.body.end();
      for (const message of messages) post(port2, message);
      port2.close();
      await Promise.all(calls.map((call) => call.done));
      await link.close();
      for (const call of calls) {
        expect([call.trailers, call.error].filter((end) => end !== undefined)).toHaveLength(1);
        const said = [call.trailers ?? [], ...call.heads.map((head) => head.fields)].flat();
        expect(said.every((part) => typeof part === 'string')).toBe(true);
      }
      expect(faults).toEqual([]);
    }),
    fuzzing(400),
  );
});

it(
  'answers every caller of a listener whatever the other thread posts',
  { timeout: fuzzTimeoutMs(20_000) },
  async () => {
    const faults = watchProcess();
    const posted: { messages: unknown[] } = { messages: [] };
    const service: Service = (head, reply) => {
      const { port1, port2 } = new MessageChannel();
      const body = createPortLink(port1, systemClock).service(head, reply);
      for (const message of posted.messages) post(port2, message);
      port2.close();
      return body;
    };
    const listener = await startListener(service);
    const one = messagesOf(calleeFrame);
    await fc.assert(
      fc.asyncProperty(one, async (messages) => {
        posted.messages = messages;
        const client = await connectRaw(listener.port);
        client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        expect(await client.closed()).toMatch(/^(HTTP\/1\.1 [2-5]\d\d |$)/);
        await expect.poll(() => listener.openCalls(), { interval: 1 }).toBe(0);
        expect(faults).toEqual([]);
      }),
      fuzzing(200),
    );
  },
);

it('serves on, or closes the port, whatever a caller posts', { timeout: fuzzTimeoutMs(20_000) }, async () => {
  const faults = watchProcess();
  const echo = answering((_head, reply, body) => {
    reply.head({ status: 200, fields: [] });
    reply.write(body);
    reply.end(['grpc-status', '0']);
  });
  await fc.assert(
    fc.asyncProperty(messagesOf(callerFrame), async (messages) => {
      const { port1, port2 } = new MessageChannel();
      const server = servePort(port2, echo, systemClock);
      for (const message of messages) post(port1, message);
      await nextTurn();
      port1.close();
      await Promise.all([once(port2, 'close'), server.onClosed]);
      expect(server.openCalls()).toBe(0);
      expect(faults).toEqual([]);
    }),
    fuzzing(400),
  );
});
