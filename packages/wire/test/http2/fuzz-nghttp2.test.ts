import * as http2 from 'node:http2';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as fc from 'fast-check';
import type { Fields } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { expect, test } from 'vitest';
import { startListener } from '../listener/support.ts';
import { openLink, requestHead, startCall, upload } from './support.ts';

const TABLES = [0, 1, 40, 100, 4_096, 65_536];
const PADDINGS = [http2.constants.PADDING_STRATEGY_NONE, http2.constants.PADDING_STRATEGY_MAX];

/** Few names, so that some come twice and tables get used; all begin with `x-` to be told from what the wires add. */
const name = fc.oneof(
  fc.constantFrom('x-a', 'x-b', 'x-long-and-common', 'x-c-bin'),
  fc.stringMatching(/^x-[a-z0-9!#$%&'*+.^_`|~-]{1,30}$/),
);
const value = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('', 'a', 'application/grpc', 'deflate, gzip', '\xe4\xff', '0') },
  { weight: 3, arbitrary: fc.stringMatching(/^[!-~\x80-\xff]([ -~\x80-\xff\t]{0,60}[!-~\x80-\xff])?$/) },
  fc.tuple(fc.constantFrom('x', '\xe9', '~'), fc.integer({ min: 100, max: 20_000 })).map(([unit, n]) => unit.repeat(n)),
);
const fields = fc.array(fc.tuple(name, value), { maxLength: 24 }).map((pairs) => pairs.flat());
const exchange = fc.record({
  asked: fields,
  head: fields,
  trailers: fields.map((list) => ['x-last', 'of all', ...list]),
  bytes: fc.oneof(fc.nat(3), fc.nat(3_000), fc.nat(60_000)),
  table: fc.option(fc.constantFrom(...TABLES), { freq: 2 }),
});
type Exchange = typeof exchange extends fc.Arbitrary<infer T> ? T : never;
const exchanges = fc.array(exchange, { minLength: 1, maxLength: 8 });
const setup = fc.record({
  padding: fc.constantFrom(...PADDINGS),
  ours: fc.constantFrom(...TABLES),
  theirs: fc.constantFrom(...TABLES),
});

const ROOM = { maxHeaderListBytes: 600_000, maxHeaderPairs: 2_000, maxContinuations: 60, maxSettingsPerSecond: 10_000 };
const NODE_ROOM = { maxHeaderListPairs: 2_000, maxSendHeaderBlockLength: 1_000_000, maxSettings: 10_000 };
const NODE_SETTINGS = { maxHeaderListSize: 1_000_000 };

/** The fields of the test among those on the wire. */
function own(list: Fields): string[] {
  return list.flatMap((key, i) => (i % 2 === 0 && key.startsWith('x-') ? [key, list[i + 1] as string] : []));
}

/** Node takes raw lists, which its types do not say everywhere. */
const raw = (...list: string[]): http2.OutgoingHttpHeaders => list as unknown as http2.OutgoingHttpHeaders;

/** Trailers it takes by name only. */
function byName(list: Fields): Record<string, string[]> {
  const named: Record<string, string[]> = {};
  list.forEach((key, i) => {
    if (i % 2 === 0) (named[key] ??= []).push(list[i + 1] as string);
  });
  return named;
}

test('what our client and nghttp2 say to each other arrives', { timeout: fuzzTimeoutMs(40_000) }, async () => {
  await fc.assert(
    fc.asyncProperty(setup, exchanges, async ({ padding, ours, theirs }, list) => {
      const settings = { ...NODE_SETTINGS, headerTableSize: theirs };
      const server = http2.createServer({ ...NODE_ROOM, settings, paddingStrategy: padding });
      const sessions: http2.ServerHttp2Session[] = [];
      const faults: unknown[] = [];
      server.on('session', (session) => {
        sessions.push(session);
        session.on('error', (fault) => void faults.push(fault));
      });
      const seen: string[][] = [];
      let next: Exchange | undefined;
      server.on('stream', (stream, _headers, _flags, rawHeaders) => {
        const { head, trailers } = next as Exchange;
        seen.push(own(rawHeaders));
        stream.on('error', (fault) => void faults.push(fault));
        stream.respond(raw(':status', '200', ...head), { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers(byName(trailers)));
        stream.pipe(stream);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const link = openLink(port, { maxConnections: 1, limits: { ...ROOM, headerTableBytes: ours } });
      try {
        for (const each of list) {
          next = each;
          const call = startCall(link, requestHead('/a.v1.B/C', each.asked));
          upload(call, Buffer.alloc(each.bytes, 'abc'));
          const { head, trailers, error, chunks } = await call.done;
          expect(error).toBeUndefined();
          expect(seen.pop()).toEqual(each.asked);
          expect(own(head?.fields ?? [])).toEqual(each.head);
          expect(own(trailers ?? [])).toEqual(
            Object.entries(byName(each.trailers)).flatMap(([key, all]) => all.flatMap((one) => [key, one])),
          );
          expect(Buffer.concat(chunks).equals(Buffer.alloc(each.bytes, 'abc'))).toBe(true);
          if (each.table !== null) {
            const session = sessions[0] as http2.ServerHttp2Session;
            await new Promise<void>((resolve) => {
              session.settings({ ...NODE_SETTINGS, headerTableSize: each.table as number }, () => resolve());
            });
          }
        }
        expect(faults).toEqual([]);
        expect(sessions).toHaveLength(1);
      } finally {
        link.destroy();
        for (const session of sessions) session.destroy();
        server.close();
        await once(server, 'close');
      }
    }),
    fuzzing(60),
  );
});

test('what nghttp2 and our server say to each other arrives', { timeout: fuzzTimeoutMs(40_000) }, async () => {
  let next: Exchange | undefined;
  const seen: string[][] = [];
  const listener = await startListener(
    (head, reply) => {
      const { head: fieldsOfHead, trailers } = next as Exchange;
      seen.push(own(head.fields));
      let isAnswered = false;
      const answer = (): void => {
        if (!isAnswered) reply.head({ status: 200, fields: fieldsOfHead });
        isAnswered = true;
      };
      return {
        write(bytes) {
          answer();
          reply.write(bytes);
          reply.grant(bytes.length);
        },
        end() {
          answer();
          reply.end(trailers);
        },
        cancel() {},
        grant() {},
      };
    },
    { limits: { maxHeaderBytes: 600_000, maxHeaderPairs: 2_000 } },
  );
  await fc.assert(
    fc.asyncProperty(setup, exchanges, async ({ padding, theirs }, list) => {
      const session = http2.connect(`http://127.0.0.1:${listener.port}`, {
        ...NODE_ROOM,
        paddingStrategy: padding,
        settings: { ...NODE_SETTINGS, headerTableSize: theirs },
      });
      const faults: unknown[] = [];
      session.on('error', (fault) => void faults.push(fault));
      try {
        for (const each of list) {
          next = each;
          const stream = session.request(raw(':method', 'POST', ':path', '/a.v1.B/C', ...each.asked));
          const head = once(stream, 'response');
          const trailers = once(stream, 'trailers');
          stream.end(Buffer.alloc(each.bytes, 'abc'));
          const received = Buffer.concat(await stream.toArray());
          expect(received.equals(Buffer.alloc(each.bytes, 'abc'))).toBe(true);
          expect(seen.pop()).toEqual(each.asked);
          expect(own(((await head) as unknown[])[2] as string[])).toEqual(each.head);
          expect(own(((await trailers) as unknown[])[2] as string[])).toEqual(each.trailers);
          if (each.table !== null) {
            await new Promise<void>((resolve) => {
              session.settings({ ...NODE_SETTINGS, headerTableSize: each.table as number }, () => resolve());
            });
          }
        }
        expect(faults).toEqual([]);
      } finally {
        session.destroy();
      }
      await expect.poll(() => listener.openCalls(), { interval: 1 }).toBe(0);
    }),
    fuzzing(60),
  );
});
