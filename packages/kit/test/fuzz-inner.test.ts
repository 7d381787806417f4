import * as zlib from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import * as fc from 'fast-check';
import { createCallContext, getAllFields } from '@bascule/core';
import { createHead, fuzzing, fuzzTimeoutMs, startCall } from '@bascule/testing';
import { expect, it, onTestFinished } from 'vitest';
import { RankRequestSchema } from '../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createKit } from '../src/kit.ts';
import { createDemo } from './demo-routes.ts';
import { frame } from './inner-call.ts';

/** Mostly not. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, arbitrary);

const message = toBinary(
  RankRequestSchema,
  create(RankRequestSchema, { callId: 'call', candidates: [{ id: 1, name: 'one' }] }),
);
const json = new TextEncoder().encode('{"callId":"call"}');
const plain = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(message, json, new Uint8Array(0)) },
  fc.uint8Array({ maxLength: 40 }),
  fc.json({ maxDepth: 3 }).map((text) => new TextEncoder().encode(text)),
);
const PACK: ((bytes: Uint8Array) => Uint8Array)[] = [
  (bytes) => bytes,
  (bytes) => zlib.gzipSync(bytes),
  (bytes) => zlib.brotliCompressSync(bytes),
  (bytes) => zlib.zstdCompressSync(bytes),
];
const packed = fc
  .tuple(plain, fc.constantFrom(...PACK), fc.oneof({ weight: 9, arbitrary: fc.constantFrom(0, 0, 1) }, fc.nat(255)))
  .map(([bytes, pack, flags]) => frame(pack(bytes), flags));
const framed = fc.oneof(packed, fc.constant(frame(message)));
const request = fc.record({
  method: fc.constantFrom('Rank', 'Vote', 'Watch', 'Tally', 'Nothing'),
  fields: fc
    .array(
      fc.oneof(
        fc.tuple(fc.constant('grpc-encoding'), fc.constantFrom('gzip', 'br', 'zstd', 'identity', 'x', '__proto__', '')),
        fc.tuple(fc.constant('grpc-accept-encoding'), fc.constantFrom('gzip', 'br,zstd', 'x', ',', 'constructor')),
        fc.tuple(fc.constant('grpc-timeout'), fc.constantFrom('1n', '0S', '-1', '99999999H', 'x', '5m')),
        fc.tuple(
          fc.constantFrom('x-sent', 'x-bin', '__proto__', 'x-sent-bin'),
          fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,8}$/),
        ),
      ),
      { maxLength: 3, size: 'small' },
    )
    .map((pairs) => pairs.flat()),
  type: fc.constantFrom('application/grpc', 'application/grpc', 'application/grpc+proto', 'application/grpc+json'),
  frames: fc.oneof(fc.tuple(framed), fc.array(framed, { maxLength: 4 })),
  change: seldom(fc.tuple(fc.nat(), fc.nat(255))),
  cut: seldom(fc.nat()),
  cuts: fc.array(fc.nat(200), { maxLength: 4 }),
  ending: fc.oneof({ weight: 4, arbitrary: fc.constant('end' as const) }, fc.constant('cancel' as const)),
  grants: fc.boolean(),
});
type Request = typeof request extends fc.Arbitrary<infer T> ? T : never;

function toBody({ frames, change, cut }: Request): Buffer {
  const body = Buffer.concat(frames);
  if (change !== null && body.length > 0) body[change[0] % body.length] = change[1];
  return cut === null ? body : body.subarray(0, cut % (body.length + 1));
}

/** So that each kind of method is reached, and refused as well, whatever the seed. */
const EXAMPLES = ['Rank', 'Vote', 'Watch', 'Tally', 'Nothing'].flatMap((method) =>
  [frame(new Uint8Array(0)), frame(Uint8Array.of(0xff))].map((bytes): [Request] => [
    {
      method: method as Request['method'],
      fields: [],
      type: 'application/grpc',
      frames: [bytes],
      change: null,
      cut: null,
      cuts: [],
      ending: 'end',
      grants: true,
    },
  ]),
);

it('ends every call once, whatever its request is', { timeout: fuzzTimeoutMs(30_000) }, async () => {
  const faults: unknown[] = [];
  const note = (fault: unknown): void => void faults.push(fault);
  process.on('uncaughtException', note).on('unhandledRejection', note);
  onTestFinished(() => void process.off('uncaughtException', note).off('unhandledRejection', note));
  const demo = createDemo();
  const kit = createKit({ routes: demo.routes, maxMessageBytes: 1_000 });
  const codes = new Set<string>();
  await fc.assert(
    fc.asyncProperty(request, async (given) => {
      const context = createCallContext('fuzz', performance.now(), '');
      const head = createHead({
        path: `/demo.ranking.v1.RankingService/${given.method}`,
        fields: ['content-type', given.type, 'te', 'trailers', ...given.fields],
        call: context,
      });
      const call = startCall(kit.inner, head, given.grants);
      const body = toBody(given);
      const points = [...given.cuts.map((at) => at % (body.length + 1)), body.length].sort((a, b) => a - b);
      let at = 0;
      for (const point of points) {
        // As wires do it: a buffer that is used again.
        const lent = Uint8Array.from(body.subarray(at, point));
        call.body.write(lent);
        lent.fill(0xee);
        at = point;
      }
      if (given.ending === 'cancel') {
        call.body.cancel('caller-gone');
      } else {
        call.body.end();
        await call.done;
        expect(call.error).toBeUndefined();
        const statuses = getAllFields(call.trailers ?? [], 'grpc-status');
        expect(statuses).toEqual([expect.stringMatching(/^(\d|1[0-6])$/)]);
        codes.add(`${given.method} ${statuses[0]}`);
      }
      // The handler has settled: nobody's slot is held for ever.
      await expect.poll(() => context.work, { interval: 1 }).toBe(0);
      expect(call.heads.length).toBeLessThan(2);
      expect(faults).toEqual([]);
    }),
    { ...fuzzing(600), examples: EXAMPLES },
  );
  // Each kind of method was reached, and each was refused as well.
  for (const expected of ['Rank 0', 'Rank 3', 'Vote 9', 'Watch 0', 'Tally 0', 'Tally 3', 'Nothing 12']) {
    expect([...codes]).toContain(expected);
  }
});
