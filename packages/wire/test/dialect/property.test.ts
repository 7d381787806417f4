import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEdge, decodeChunks, frame, onlyCall, readAnswer, startAs, type Edge } from './support/callee.ts';

const STREAMS = ['application/grpc', 'application/grpc-web', 'application/grpc-web-text', 'application/connect+json'];
const ALL = [...STREAMS, 'application/proto'];
const RUNS = fuzzing(150);

/** Bytes cut at arbitrary points, also into empty pieces. */
function cut(bytes: Uint8Array, points: readonly number[]): Uint8Array[] {
  const sorted = points.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...sorted].map((from, i) => bytes.subarray(from, sorted[i] ?? bytes.length));
}

/** What came of a request: what went on, and what was said. */
function outcomeOf(edge: Edge, contentType: string, pieces: readonly Uint8Array[]) {
  const call = startAs(edge, contentType, 'grpc-encoding', 'gzip');
  for (const piece of pieces) {
    // As wires do it: a read buffer that is used again.
    const lent = Uint8Array.from(piece);
    call.body.write(lent);
    lent.fill(0xee);
  }
  call.body.end();
  const seen = onlyCall(edge);
  return { call, seen, passed: Buffer.concat(seen.chunks).toString('hex') };
}

const messages = fc.array(fc.record({ bytes: fc.uint8Array({ maxLength: 40 }), packed: fc.boolean() }), {
  maxLength: 5,
});
const points = fc.array(fc.nat(300), { maxLength: 12 });

describe('requests', () => {
  it.each(STREAMS)('of %s come through the same however they are cut', (contentType) => {
    fc.assert(
      fc.property(messages, points, (sent, at) => {
        const compressible = !contentType.includes('connect');
        const bytes = Buffer.concat(sent.map(({ bytes, packed }) => frame(bytes, packed && compressible ? 1 : 0)));
        const wire = contentType.includes('text') ? Buffer.from(bytes.toString('base64')) : bytes;
        const edge = createEdge();
        const { seen, passed } = outcomeOf(edge, contentType, cut(wire, at));
        expect(passed).toBe(bytes.toString('hex'));
        expect(seen.ended).toBe(true);
        expect(edge.violations).toEqual([]);
      }),
      RUNS,
    );
  });

  it.each(ALL)('of random bytes as %s have one end', (contentType) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), points, (bytes, at) => {
        const edge = createEdge({ maxMessageBytes: 30 });
        const { call, seen } = outcomeOf(edge, contentType, cut(bytes, at));
        const answered = call.trailers !== undefined;
        // Either the whole request went on and the callee owes the answer, or the layer answered and cancelled.
        expect([answered, seen.cancelled === 'protocol-error', !seen.ended]).toEqual([answered, answered, answered]);
        if (answered) expect([3, 8, 13]).toContain(readAnswer(call).code);
        else seen.reply.end(['grpc-status', '5']);
        expect(call.trailers).toBeDefined();
        expect(call.heads.length).toBe(1);
        expect(call.error).toBeUndefined();
        expect(edge.violations).toEqual([]);
      }),
      RUNS,
    );
  });

  it('of random heads never throw, and have one end', async () => {
    const word = fc.oneof(
      fc.constantFrom(...ALL, 'text/plain', 'application/grpc+', 'application/connect+'),
      fc.string(),
    );
    const name = fc.constantFrom(
      'content-type',
      'grpc-timeout',
      'connect-timeout-ms',
      'connection',
      'content-length',
      'origin',
      'x-a',
    );
    const path = fc.oneof(
      fc.constantFrom('/test.v1.TestService/Get', '/a/b', '/', '*', ''),
      fc.string().map((query) => `/test.v1.TestService/Get?connect=v1&encoding=json&message=${query}`),
      fc.string(),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('GET', 'POST', 'OPTIONS', 'PUT'),
        path,
        fc.array(fc.tuple(name, word), { maxLength: 5 }),
        async (method, path, pairs) => {
          const edge = createEdge({ cors: { allowOrigins: ['*'] } });
          const call = startAs(
            { ...edge, service: (head, reply) => edge.service({ ...head, method, path, fields: pairs.flat() }, reply) },
            'ignored',
          );
          call.body.end();
          for (const seen of [...edge.calls, ...edge.others])
            if (seen.cancelled === undefined) seen.reply.end(['grpc-status', '1']);
          await call.done;
          expect(edge.calls.length + edge.others.length).toBeLessThan(2);
          expect(edge.violations.filter((violation) => violation.startsWith('outer'))).toEqual([]);
        },
      ),
      RUNS,
    );
  });
});

describe('answers', () => {
  it.each(STREAMS)('to %s come through the same however they are cut and granted', (contentType) => {
    fc.assert(
      fc.property(messages, points, fc.constantFrom('0', '5'), (sent, at, status) => {
        const bytes = Buffer.concat(sent.map(({ bytes }) => frame(bytes)));
        const edge = createEdge();
        const call = startAs(edge, contentType);
        const { reply } = onlyCall(edge);
        reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
        for (const piece of cut(bytes, at)) reply.write(Uint8Array.from(piece));
        reply.end(['grpc-status', status]);
        const body = contentType.includes('text') ? decodeChunks(call.bytes()) : call.bytes();
        expect(Buffer.from(body).subarray(0, bytes.length).toString('hex')).toBe(bytes.toString('hex'));
        expect(readAnswer(call).code).toBe(Number(status));
        expect(edge.violations).toEqual([]);
      }),
      RUNS,
    );
  });

  it.each(ALL)('of random bytes to %s are never OK unless whole', (contentType) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), points, (bytes, at) => {
        const edge = createEdge();
        const call = startAs(edge, contentType);
        const { reply } = onlyCall(edge);
        reply.head({ status: 200, fields: ['content-type', 'application/grpc', 'grpc-encoding', 'gzip'] });
        for (const piece of cut(bytes, at)) reply.write(Uint8Array.from(piece));
        reply.end(['grpc-status', '0']);
        expect(call.trailers).toBeDefined();
        if (readAnswer(call).code === 0) expect(isWhole(bytes)).toBe(true);
        expect(edge.violations.filter((violation) => violation.startsWith('outer'))).toEqual([]);
      }),
      RUNS,
    );
  });
});

/** Whether bytes are messages and nothing else. */
function isWhole(bytes: Uint8Array): boolean {
  const buffer = Buffer.from(bytes);
  let at = 0;
  while (at + 5 <= buffer.length && (buffer[at] as number) < 2) at += 5 + buffer.readUInt32BE(at + 1);
  return at === buffer.length;
}
