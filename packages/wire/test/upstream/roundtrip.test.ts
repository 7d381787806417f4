import * as fc from 'fast-check';
import { encodeMessage, systemClock, type Fields, type MethodKind, type Service } from '@bascule/core';
import { createHead, fuzzing, startCall, type RecordedCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createConnectUpstream } from '../../src/dialect/connect/upstream.ts';
import { encodeStatusDetails } from '../../src/dialect/connect/upstream-status-details.ts';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createGrpcWebUpstream } from '../../src/dialect/grpc-web/upstream.ts';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { createCallee, frame, type SeenCall } from '../dialect/support/callee.ts';
import { watchLaw, type Violations } from '../dialect/support/law.ts';
import { callOf, REFUSING } from './support.ts';

const edge = createDialectLayer({
  maxMessageBytes: 4_194_304,
  clock: systemClock,
  other: REFUSING,
  allowGet: () => true,
});

interface Pair {
  readonly name: string;
  readonly kind: MethodKind;
  readonly create: (next: Service) => Service;
}

const PAIRS: Pair[] = [
  { name: 'gRPC', kind: 'bidi_stream', create: createGrpcUpstream },
  { name: 'gRPC, unary', kind: 'unary', create: createGrpcUpstream },
  { name: 'gRPC-Web', kind: 'bidi_stream', create: createGrpcWebUpstream },
  { name: 'gRPC-Web, unary', kind: 'unary', create: createGrpcWebUpstream },
  { name: 'Connect streams', kind: 'bidi_stream', create: (next) => createConnectUpstream(next) },
  { name: 'Connect, unary', kind: 'unary', create: (next) => createConnectUpstream(next) },
  { name: 'Connect, by GET', kind: 'unary', create: (next) => createConnectUpstream(next, { get: () => true }) },
];

interface Message {
  readonly bytes: Uint8Array;
  readonly packed: boolean;
}

const message = fc.record({ bytes: fc.uint8Array({ maxLength: 60 }), packed: fc.boolean() });
// No spaces around: HTTP takes them away.
const value = fc.stringMatching(/^([\x21-\x7e\xa1-\xff]([\x20-\x7e\xa1-\xff]{0,10}[\x21-\x7e\xa1-\xff])?)?$/);
const name = fc.constantFrom('x-a', 'x-b', 'x-c-bin', 'a', 'trailers', 'x-trailer-x');
const metadata = fc.array(fc.tuple(name, value), { maxLength: 6 }).map((pairs) => pairs.flat());
const cuts = fc.array(fc.nat(400), { maxLength: 8 });
const details = fc.array(fc.record({ type: fc.constantFrom('a.B', 'test.v1.Detail'), value: fc.base64String() }), {
  maxLength: 3,
});

const exchange = fc.record({
  codec: fc.constantFrom('', '+proto', '+json'),
  asked: fc.array(message, { maxLength: 4 }),
  askFields: metadata,
  askCuts: cuts,
  answered: fc.array(message, { maxLength: 4 }),
  headFields: metadata,
  trailerFields: metadata,
  answerCuts: cuts,
  status: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 16 })),
  text: fc.string({ unit: 'grapheme', maxLength: 12 }),
  details,
});
type Exchange = typeof exchange extends fc.Arbitrary<infer T> ? T : never;

/** Nothing is compressed that is nothing: see Connect, which never unpacks an empty message. */
function toFrames(messages: readonly Message[]): Buffer {
  return Buffer.concat(messages.map(({ bytes, packed }) => frame(bytes, packed && bytes.length > 0 ? 1 : 0)));
}

/** Gives bytes in pieces through one buffer that is overwritten, as wires do. */
function inPieces(bytes: Uint8Array, points: readonly number[], write: (piece: Uint8Array) => void): void {
  const sorted = points.map((point) => point % (bytes.length + 1)).sort((a, b) => a - b);
  [0, ...sorted].forEach((from, i) => {
    const lent = Uint8Array.from(bytes.subarray(from, sorted[i] ?? bytes.length));
    if (lent.length > 0) write(lent);
    lent.fill(0xee);
  });
}

/** The caller's own fields, by name: Connect's streams keep no order between names. */
function ownFields(fields: Fields): Record<string, string[]> {
  const own: Record<string, string[]> = {};
  for (let i = 0; i < fields.length; i += 2) {
    const key = fields[i] as string;
    if (/^(x-[abt]|x-c-bin|a$|trailers$|grpc-)/.test(key)) (own[key] ??= []).push(fields[i + 1] as string);
  }
  return own;
}

function toTrailers({ status, text, details: list, trailerFields }: Exchange): string[] {
  const trailers = ['grpc-status', String(status)];
  if (status === 0) return [...trailers, ...trailerFields];
  if (text !== '') trailers.push('grpc-message', encodeMessage(text));
  if (list.length > 0) trailers.push('grpc-status-details-bin', encodeStatusDetails(status as 1, text, list));
  return [...trailers, ...trailerFields];
}

interface Run {
  readonly call: RecordedCall;
  readonly seen: SeenCall | undefined;
  readonly violations: Violations;
}

function run({ kind, create }: Pair, given: Exchange): Run {
  const callee = createCallee();
  const violations: Violations = [];
  const watch = (hop: string, service: Service): Service => watchLaw(hop, service, violations);
  const service = watch('outer', create(watch('between', edge(watch('inner', callee.service)))));
  const encodings = ['grpc-encoding', 'gzip', 'grpc-accept-encoding', 'gzip,br'];
  const head = createHead({
    fields: ['content-type', `application/grpc${given.codec}`, 'te', 'trailers', ...encodings, ...given.askFields],
    call: callOf(kind, 'no_side_effects'),
  });
  const call = startCall(service, head);
  inPieces(toFrames(given.asked), given.askCuts, (piece) => call.body.write(piece));
  call.body.end();
  const [seen] = callee.calls;
  seen?.reply.head({
    status: 200,
    fields: ['content-type', `application/grpc${given.codec}`, 'grpc-encoding', 'br', ...given.headFields],
  });
  inPieces(toFrames(given.answered), given.answerCuts, (piece) => seen?.reply.write(piece));
  seen?.reply.end(toTrailers(given));
  return { call, seen, violations };
}

describe('from the inner dialect out and in again', () => {
  it.each(PAIRS)('$name: everything comes through as it was', (pair) => {
    const unary = pair.kind === 'unary';
    fc.assert(
      fc.property(exchange, message, message, (random, ask, answer) => {
        // What a unary call is: one message each way, or an error without one.
        const given = unary ? { ...random, asked: [ask], answered: random.status === 0 ? [answer] : [] } : random;
        const { call, seen, violations } = run(pair, given);
        const isPacked = (list: readonly Message[]): boolean =>
          list.some(({ bytes, packed }) => packed && bytes.length > 0);
        const mayLose = pair.name.startsWith('Connect, ');

        expect(Buffer.concat(seen?.chunks ?? [])).toEqual(toFrames(given.asked));
        expect([seen?.ended, seen?.cancelled]).toEqual([true, undefined]);
        const asked = ownFields(seen?.head.fields ?? []);
        const announced = isPacked(given.asked) || !mayLose ? { 'grpc-encoding': ['gzip'] } : {};
        expect(asked).toEqual({ ...ownFields(given.askFields), ...announced, 'grpc-accept-encoding': ['gzip,br'] });

        expect(Buffer.from(call.bytes())).toEqual(toFrames(given.answered));
        expect(call.error).toBeUndefined();
        const encoded = isPacked(given.answered) || !mayLose ? { 'grpc-encoding': ['br'] } : {};
        expect(ownFields(call.heads[0]?.fields ?? [])).toEqual({ ...ownFields(given.headFields), ...encoded });
        expect(ownFields(call.trailers ?? [])).toEqual(ownFields(toTrailers(given)));
        expect(violations).toEqual([]);
      }),
      fuzzing(200),
    );
  });

  it.each(PAIRS)('$name: bytes of no sense never pass for a success', (pair) => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(300), cuts, (bytes, flags, at) => {
        const violations: Violations = [];
        const callee = createCallee();
        const service = watchLaw('outer', pair.create(callee.service), violations);
        const call = startCall(service, createHead({ call: callOf(pair.kind) }));
        call.body.write(frame('ask'));
        call.body.end();
        const types = ['application/grpc', 'application/grpc-web', 'application/connect+proto', 'application/proto'];
        const type = types[
          pair.name.startsWith('Connect, ') ? 3 : pair.name.startsWith('Connect') ? 2 : flags % 2
        ] as string;
        const reply = callee.calls[0]?.reply;
        reply?.head({ status: 200, fields: ['content-type', type] });
        inPieces(bytes, at, (piece) => reply?.write(piece));
        reply?.end([]);
        expect(violations).toEqual([]);
        // A bare message is one whatever it holds.
        if (type !== 'application/proto') expect(call.error).toBeDefined();
      }),
      fuzzing(200),
    );
  });
});
