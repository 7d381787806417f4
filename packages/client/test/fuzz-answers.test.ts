import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { callError, Code as CoreCode, type Reply, type Service } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { toBinary, create } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { expect, it, onTestFinished } from 'vitest';
import { connect } from './support/calls.ts';

const message = toBinary(StringValueSchema, create(StringValueSchema, { value: 'a message' }));

function frame(bytes: Uint8Array, flags: number): Uint8Array {
  const prefix = Buffer.alloc(5);
  prefix[0] = flags;
  prefix.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([prefix, bytes]);
}

const octets = fc.stringMatching(/^[\x21-\x7e\x80-\xff]{0,10}$/);
const field = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constant('grpc-status'), fc.constantFrom('0', '0', '5', '00', '', '+0', '99', 'x')),
  },
  fc.tuple(fc.constant('grpc-message'), fc.oneof(octets, fc.constantFrom('%', '%zz', '%F0%9F', '%00'))),
  fc.tuple(
    fc.constant('grpc-status-details-bin'),
    fc.oneof(
      octets,
      fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes).toString('base64')),
    ),
  ),
  fc.tuple(fc.constant('grpc-encoding'), fc.constantFrom('gzip', 'identity', 'x', '__proto__')),
  fc.tuple(fc.constantFrom('x-a', 'x-a-bin', '__proto__', 'constructor'), octets),
);
const fields = fc.array(field, { maxLength: 3 }).map((pairs) => pairs.flat());
const piece = fc.oneof(
  fc.constantFrom(frame(message, 0), frame(gzipSync(message), 1), frame(new Uint8Array(0), 0)),
  fc
    .tuple(fc.uint8Array({ maxLength: 20 }), fc.constantFrom(0, 1, 2, 0x80, 255))
    .map(([bytes, flags]) => frame(bytes, flags)),
  fc.uint8Array({ maxLength: 12 }),
);
const step = fc.oneof(
  fields.map((list) => (reply: Reply) => reply.head({ status: 200, fields: list })),
  piece.map((bytes) => (reply: Reply) => reply.write(Uint8Array.from(bytes))),
  fc.nat(5_000).map((bytes) => (reply: Reply) => reply.grant(bytes + 1)),
);
const ending = fc.oneof(
  { weight: 4, arbitrary: fields.map((list) => (reply: Reply) => reply.end(list)) },
  fc
    .constantFrom(CoreCode.unavailable, CoreCode.internal, CoreCode.canceled)
    .map((code) => (reply: Reply) => reply.fail(callError(code, 'lost'))),
);
const answer = fc.record({
  steps: fc.array(step, { maxLength: 6 }),
  ending,
  method: fc.constantFrom('say', 'count', 'join', 'chat'),
});

it('settles every call whatever a server answers', { timeout: fuzzTimeoutMs(30_000) }, async () => {
  const faults: unknown[] = [];
  const note = (fault: unknown): void => void faults.push(fault);
  process.on('uncaughtException', note).on('unhandledRejection', note);
  onTestFinished(() => void process.off('uncaughtException', note).off('unhandledRejection', note));
  const outcomes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(answer, async (given) => {
      const service: Service = (_head, reply) => {
        const cancelled = { is: false };
        queueMicrotask(() => {
          for (const act of [...given.steps, given.ending]) if (!cancelled.is) act(reply);
        });
        return { write() {}, end() {}, grant() {}, cancel: () => void (cancelled.is = true) };
      };
      await using server = connect('http://in.process', { service, connectWaitMs: 0, readMaxBytes: 1_000 });
      const { client } = server;
      const asked = (async function* () {
        yield { value: 'a' };
        yield { value: 'b' };
      })();
      try {
        if (given.method === 'say') await client.say({ value: 'a' });
        else if (given.method === 'join') await client.join(asked);
        else for await (const _ of given.method === 'count' ? client.count({ value: 1 }) : client.chat(asked)) void _;
        outcomes.add('ok');
      } catch (error) {
        expect(error).toBeInstanceOf(ConnectError);
        const { code, rawMessage } = error as ConnectError;
        expect(Code[code]).toBeDefined();
        expect(typeof rawMessage).toBe('string');
        outcomes.add(Code[code]);
      }
      expect(faults).toEqual([]);
    }),
    fuzzing(500),
  );
  expect([...outcomes]).toContain('ok');
  expect(outcomes.size).toBeGreaterThan(4);
});
