import { gzipSync } from 'node:zlib';
import * as fc from 'fast-check';
import { getAllFields, httpStatusOf, systemClock, type Code, type Fields, type Service } from '@bascule/core';
import { createHead, fuzzing, startCall, type RecordedCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createConnectUpstream } from '../../src/dialect/connect/upstream.ts';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createGrpcWebUpstream } from '../../src/dialect/grpc-web/upstream.ts';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { createCallee, frame, readAnswer } from '../dialect/support/callee.ts';
import { cutAt } from '../dialect/support/cuts.ts';
import { watchLaw, type Violations } from '../dialect/support/law.ts';
import { callOf, codeOf, REFUSING } from './support.ts';

/** Mostly not. */
const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, arbitrary);

type Protocol = 'grpc' | 'grpc-web' | 'connect stream' | 'connect unary';

interface Upstream {
  readonly protocol: Protocol;
  readonly contentType: string;
  readonly create: (next: Service) => Service;
}

const UPSTREAMS: Upstream[] = [
  { protocol: 'grpc', contentType: 'application/grpc', create: createGrpcUpstream },
  { protocol: 'grpc-web', contentType: 'application/grpc-web', create: createGrpcWebUpstream },
  {
    protocol: 'connect stream',
    contentType: 'application/connect+proto',
    create: (next) => createConnectUpstream(next),
  },
  { protocol: 'connect unary', contentType: 'application/proto', create: (next) => createConnectUpstream(next) },
];

const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 6 }));
/** Octets that a field can hold on the wire. */
const octets = fc.stringMatching(/^[\x21-\x7e\x80-\xff]{0,12}$/);
/** Zero as lenient readers see it: text that turns into the number 0 in one language or another. */
const status = fc.oneof(
  { weight: 4, arbitrary: fc.constant('0') },
  fc.constantFrom('00', '+0', '-0', '0x0', '', '0.0', '0e5', '000', '16', '17', '-1', '4294967296', '99', 'OK', '٠'),
  fc.nat(20).map(String),
  octets,
);
const message = fc.oneof(octets, fc.constantFrom('%', '%zz', '%41', '%E4', '%F0%9F%92%A9', '%00', '%0D%0Aa', '%%'));
const details = fc.oneof(
  octets,
  fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64')),
  fc
    .tuple(fc.constantFrom(0x08, 0x12, 0x1a, 0x0a, 0x22, 0xff), fc.nat(30), fc.uint8Array({ maxLength: 20 }))
    .map(([tag, length, rest]) => Buffer.from([0x08, 5, tag, length, ...rest]).toString('base64')),
);
const field = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom('grpc-status', 'trailer-grpc-status'), status) },
  fc.tuple(fc.constantFrom('grpc-message', 'trailer-grpc-message'), message),
  fc.tuple(fc.constantFrom('grpc-status-details-bin', 'trailer-grpc-status-details-bin'), details),
  fc.tuple(
    fc.constantFrom('grpc-encoding', 'content-encoding', 'connect-content-encoding'),
    fc.constantFrom('gzip', 'br', 'identity', '', 'x'),
  ),
  fc.tuple(fc.constantFrom('x-a', '__proto__', 'trailer-__proto__', 'constructor', 'trailer-', 'te'), octets),
);
const fields = fc.array(field, { maxLength: 4 }).map((pairs) => pairs.flat());

const junk = fc.jsonValue({ depthSize: 'small' });
const often = (arbitrary: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 3, arbitrary: arbitrary }, junk, fc.constant(undefined));
const errorJson = fc.record({
  code: often(fc.constantFrom('not_found', 'ok', 'internal', 'constructor', '__proto__', 'OK', 'Canceled')),
  message: often(text),
  details: often(fc.array(often(fc.record({ type: often(text), value: often(fc.oneof(text, fc.base64String())) })))),
});
const endJson = fc.record({
  error: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, often(errorJson)),
  metadata: often(
    fc.dictionary(
      fc.constantFrom('x-a', 'grpc-status', 'Grpc-Status', '__proto__', 'a b', '', 'content-type', 'x\r\ny'),
      often(fc.array(often(text), { maxLength: 3 })),
    ),
  ),
});
const json = fc
  .oneof({ weight: 3, arbitrary: endJson }, errorJson, junk)
  .map((value) => JSON.stringify(value) ?? '')
  // A name that a literal of the language cannot hold.
  .map((body) => body.replace('"x-a"', '"__proto__"'));
const block = fc
  .array(
    fc.tuple(
      fields,
      fc.constantFrom(':', ': ', ' :', '', '\0:'),
      fc.constantFrom('\r\n', '\n', '\r', '', '\r\n\r\n', '\r\n '),
    ),
    { maxLength: 4 },
  )
  .map((lines) =>
    lines.map(([list, colon, end]) => list.map((part, i) => part + (i % 2 === 0 ? colon : end)).join('')).join(''),
  );
const piece = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((bytes) => frame(bytes)),
  fc.uint8Array({ maxLength: 20 }).map((bytes) => frame(bytes, 1)),
  fc.tuple(block, fc.boolean()).map(([words, packed]) => endFrame(0x80, words, packed)),
  fc.tuple(json, fc.boolean()).map(([words, packed]) => endFrame(0x02, words, packed)),
  json.map((words) => Buffer.from(words)),
  fc.uint8Array({ maxLength: 12 }),
);

function endFrame(flag: number, words: string, packed: boolean): Uint8Array {
  const bytes = Buffer.from(words, flag === 0x80 ? 'latin1' : 'utf8');
  return packed ? frame(gzipSync(bytes), flag | 1) : frame(bytes, flag);
}

const answer = fc.record({
  http: fc.oneof({ weight: 6, arbitrary: fc.constant(200) }, fc.constantFrom(201, 204, 302, 400, 404, 429, 503, 999)),
  type: fc.oneof(
    { weight: 6, arbitrary: fc.constant(undefined) },
    fc.constantFrom('application/json', 'text/html', '', 'application/grpc+json', 'application/grpcx'),
  ),
  fields,
  pieces: fc.array(piece, { maxLength: 3 }),
  trailers: fields,
  change: seldom(fc.tuple(fc.nat(), fc.nat(255))),
  cuts: fc.array(fc.nat(200), { maxLength: 5 }),
});
type Answer = typeof answer extends fc.Arbitrary<infer T> ? T : never;

function toBody({ pieces, change }: Answer): Buffer {
  const body = Buffer.concat(pieces);
  if (change !== null && body.length > 0) body[change[0] % body.length] = change[1];
  return body;
}

/** Whether an answer says success at all, in the one place where its protocol says it and in the one way. */
function saysSuccess({ protocol }: Upstream, given: Answer): boolean {
  const body = toBody(given);
  const isZero = (list: Fields): boolean => getAllFields(list, 'grpc-status').includes('0');
  switch (protocol) {
    case 'grpc':
      return isZero(given.trailers) || isZero(given.fields);
    case 'grpc-web':
      return isZero(given.fields) || given.change !== null || given.pieces.some(isZeroFrame);
    case 'connect stream':
      return body.some((byte) => (byte & 0x02) !== 0);
    case 'connect unary':
      return given.http === 200;
    default:
      return protocol satisfies never;
  }
}

/** Whether a piece is a frame of trailers with a status of 0; compressed ones may be. */
function isZeroFrame(piece: Uint8Array): boolean {
  const flags = piece[0] ?? 0;
  return (
    flags === 0x81 || (flags === 0x80 && /grpc-status\s*:\s*0\s/.test(`${Buffer.from(piece).toString('latin1')}\n`))
  );
}

/** Only one status of one meaning is told: what a lenient reader would take for OK is OK for us as well, or is gone. */
function expectOneMeaning(call: RecordedCall): void {
  if (call.trailers === undefined) return;
  const said = getAllFields(call.trailers, 'grpc-status');
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/^(0|[1-9]\d{0,2})$/);
}

const clean = Object.getOwnPropertyNames(Object.prototype).length;

function speak(reply: ReturnType<typeof createCallee>['calls'][number]['reply'], upstream: Upstream, given: Answer) {
  reply.head({ status: given.http, fields: ['content-type', given.type ?? upstream.contentType, ...given.fields] });
  for (const each of cutAt(toBody(given), given.cuts)) if (each.length > 0) reply.write(each);
  reply.end(given.trailers);
}

const runs = fuzzing(600);

describe('whatever a backend answers', () => {
  it.each(UPSTREAMS)('in $protocol becomes one end, and a success only where it says so', (upstream) => {
    fc.assert(
      fc.property(answer, fc.boolean(), (given, isUnary) => {
        const violations: Violations = [];
        const callee = createCallee();
        const service = watchLaw('outer', upstream.create(callee.service), violations);
        const kind = upstream.protocol === 'connect unary' || (isUnary && upstream.protocol !== 'connect stream');
        const call = startCall(service, createHead({ call: callOf(kind ? 'unary' : 'bidi_stream') }));
        call.body.write(frame('ask'));
        call.body.end();
        const seen = callee.calls[0];
        if (seen === undefined) throw new Error('nothing was asked');
        speak(seen.reply, upstream, given);
        expect(violations).toEqual([]);
        expect([call.trailers, call.error].filter((end) => end !== undefined)).toHaveLength(1);
        expectOneMeaning(call);
        if (codeOf(call) === 0) expect(saysSuccess(upstream, given)).toBe(true);
        for (const list of [call.trailers ?? [], ...call.heads.map((head) => head.fields)]) {
          expect(list.every((part) => typeof part === 'string' && !/[\r\n\0]/.test(part))).toBe(true);
        }
        expect(Object.getOwnPropertyNames(Object.prototype)).toHaveLength(clean);
      }),
      runs,
    );
  });

  const CALLERS = [
    'application/grpc',
    'application/grpc-web',
    'application/grpc-web-text',
    'application/connect+proto',
    'application/proto',
  ];
  const pairs = UPSTREAMS.flatMap((upstream) =>
    CALLERS.map((caller) => ({ upstream, caller, protocol: upstream.protocol })),
  );
  it.each(pairs)('in $protocol is a lawful answer to a caller in $caller', ({ upstream, caller }) => {
    fc.assert(
      fc.property(answer, (given) => {
        const violations: Violations = [];
        const callee = createCallee();
        const edge = createDialectLayer({ maxMessageBytes: 100_000, clock: systemClock, other: REFUSING });
        const service = watchLaw('outer', edge(upstream.create(callee.service)), violations);
        const isUnary = caller === 'application/proto' || upstream.protocol === 'connect unary';
        const head = createHead({
          fields: ['content-type', caller, 'content-length', '0'],
          call: callOf(isUnary ? 'unary' : 'bidi_stream'),
        });
        const call = startCall(service, caller === 'application/proto' ? head : withoutLength(head));
        if (isUnary && caller !== 'application/proto') {
          call.body.write(caller.includes('text') ? Buffer.from('AAAAAAA=') : frame(''));
        }
        call.body.end();
        const seen = callee.calls[0];
        if (seen === undefined) throw new Error('nothing was asked');
        speak(seen.reply, upstream, given);
        expect(violations).toEqual([]);
        // A head always comes, and an end: failures are said in the caller's dialect.
        expect([call.heads.length, call.trailers === undefined, call.error]).toEqual([1, false, undefined]);
        const { http, code } = readAnswer(call);
        // An answer that breaks off inside a message stays without a status where that would be one more frame.
        if (code === undefined) {
          expect(caller).not.toMatch(/^application\/(grpc|proto)$/);
          return;
        }
        expect(code).toBeLessThan(1_000);
        expect(code).toBeGreaterThanOrEqual(0);
        expect(http).toBe(caller === 'application/proto' && code !== 0 ? httpStatusOf(code as Code) : 200);
        if (code === 0) expect(saysSuccess(upstream, given)).toBe(true);
      }),
      fuzzing(150),
    );
  });
});

function withoutLength(head: ReturnType<typeof createHead>): ReturnType<typeof createHead> {
  return { ...head, fields: head.fields.slice(0, 2) };
}

describe('a status', () => {
  const endWith = (...trailers: string[]): RecordedCall => {
    const callee = createCallee();
    const call = startCall(createGrpcUpstream(callee.service), createHead({ call: callOf('bidi_stream') }));
    callee.calls[0]?.reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
    callee.calls[0]?.reply.end(trailers);
    return call;
  };

  it.each(['', '00', '+0', '0x0', '0.0', '-1', '4294967296', 'OK'])(
    'of %j, which some read as 0, is unknown',
    (value) => {
      expect(endWith('x-a', 'grpc-status', 'grpc-status', value, 'x-b', '1').trailers).toEqual([
        'x-a',
        'grpc-status',
        'grpc-status',
        '2',
        'x-b',
        '1',
      ]);
    },
  );

  it.each(['0', '5', '17', '999'])('of %j goes on as it is', (value) => {
    expect(endWith('grpc-status', value).trailers).toEqual(['grpc-status', value]);
  });

  it('that is said twice is broken: one caller would read the first, another the last', () => {
    expect(endWith('grpc-status', '0', 'grpc-status', '13').error).toMatchObject({ code: 13 });
  });

  it('in a head of gRPC-Web is not overruled by HTTP trailers, which say nothing there', () => {
    const callee = createCallee();
    const call = startCall(createGrpcWebUpstream(callee.service), createHead({ call: callOf('bidi_stream') }));
    const fields = ['content-type', 'application/grpc-web', 'grpc-status', '7'];
    callee.calls[0]?.reply.head({ status: 200, fields });
    callee.calls[0]?.reply.end(['grpc-status', '0']);
    expect(call.trailers).toEqual(['grpc-status', '7']);
  });
});
