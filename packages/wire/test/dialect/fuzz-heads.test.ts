import * as fc from 'fast-check';
import { codeFromName, httpStatusOf, type Code, type RequestHead } from '@bascule/core';
import { createHead, fuzzing, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { parseConnectTimeout, parseGrpcTimeout } from '../../src/dialect/timeout.ts';
import { createEdge, frame, latin1, readAnswer } from './support/callee.ts';
import { cutAt } from './support/cuts.ts';

const octets = fc.stringMatching(/^[\x20-\x7e\x80-\xff]{0,10}$/);
const CONTENT_TYPES = [
  'application/grpc',
  'application/grpc+proto',
  'application/grpc+json',
  'application/grpc-web',
  'application/grpc-web+json',
  'application/grpc-web-text',
  'application/grpc-web-text+proto',
  'application/connect+proto',
  'application/connect+json',
  'application/proto',
  'application/json',
];
const contentType = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...CONTENT_TYPES) },
  fc.constantFrom(...CONTENT_TYPES).map((type) => ` ${type.toUpperCase()} ; charset=utf-8`),
  fc.constantFrom('application/grpcx', 'application/grpc+', 'application/connect+xml', 'text/plain', '', ';'),
);
const timeout = fc.oneof(
  fc.constantFrom(
    '1m',
    '0S',
    '0',
    '-1',
    '-1S',
    '123456789',
    '99999999H',
    '9999999999',
    '1S, 9H',
    '1e3',
    ' 5',
    '5 ',
    'S',
  ),
  fc.nat(100_000).map(String),
  octets,
);
const encoding = fc.oneof(fc.constantFrom('gzip', 'br', 'identity', '', 'x, y', 'gzip;q=0', '*'), octets);
const field = fc.oneof(
  fc.tuple(fc.constantFrom('grpc-timeout', 'connect-timeout-ms'), timeout),
  fc.tuple(
    fc.constantFrom(
      'content-encoding',
      'grpc-encoding',
      'connect-content-encoding',
      'accept-encoding',
      'grpc-accept-encoding',
    ),
    encoding,
  ),
  fc.tuple(fc.constant('connect-protocol-version'), fc.constantFrom('1', '2', '', '1, 1')),
  fc.tuple(fc.constant('content-length'), fc.oneof(fc.nat(40).map(String), fc.constantFrom('', '0x10', '1e1', ' 5'))),
  fc.tuple(fc.constant('connection'), fc.constantFrom('close', 'content-type, te', 'grpc-timeout', 'x-a')),
  fc.tuple(
    fc.constantFrom('x-a', 'x-b-bin', '__proto__', 'constructor', 'grpc-status', 'bascule-x', ':status', 'origin', ''),
    octets,
  ),
);
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom('connect', 'encoding', 'message', 'base64', 'compression', '__proto__', 'x'),
      fc.oneof(fc.constantFrom('v1', 'json', 'proto', '1', 'gzip', '%7B%7D', '%', '%zz', '=', 'e30', 'e30='), octets),
    ),
    { maxLength: 6 },
  )
  .map((pairs) => pairs.map((pair) => pair.join('=')).join('&'));
const path = fc.oneof(
  { weight: 4, arbitrary: fc.constant('/test.v1.TestService/Get') },
  { weight: 4, arbitrary: query.map((text) => `/test.v1.TestService/Get?${text}`) },
  fc.constantFrom('/', '*', '/a/b', '/a.b/c/d', '//a.b/c', '/a.b/', ''),
  octets.map((text) => `/${text}`),
);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc
    .array(fc.tuple(fc.uint8Array({ maxLength: 12 }), fc.constantFrom(0, 0, 0, 1, 2, 0x80)), { maxLength: 3 })
    .map((list) => new Uint8Array(Buffer.concat(list.map(([bytes, flags]) => frame(bytes, flags))))),
  fc
    .array(fc.uint8Array({ maxLength: 12 }), { maxLength: 3 })
    .map(
      (list) => new Uint8Array(Buffer.from(list.map((bytes) => Buffer.from(frame(bytes)).toString('base64')).join(''))),
    ),
);
const request = fc.record({
  method: fc.oneof({ weight: 6, arbitrary: fc.constant('POST') }, fc.constantFrom('GET', 'GET', 'PUT', 'OPTIONS', 'x')),
  path,
  types: fc.oneof({ weight: 8, arbitrary: fc.tuple(contentType) }, fc.array(contentType, { maxLength: 2 })),
  fields: fc.array(field, { maxLength: 4 }),
  body,
  cuts: fc.array(fc.nat(100), { maxLength: 5 }),
  status: fc.nat(16),
});

/** HTTP statuses by which a dialect may say that it will not take a request. */
const REFUSALS = [404, 405, 414, 415];

describe('a request of any head', () => {
  it('gets one answer, lawful in its own dialect, and never a success that its callee did not give', async () => {
    const seen = new Set<string>();
    await fc.assert(
      fc.asyncProperty(request, async (given) => {
        const edge = createEdge({ maxMessageBytes: 30, cors: { allowOrigins: ['*'] } });
        const fields = [...given.types.flatMap((type) => ['content-type', type]), ...given.fields.flat()];
        const head: RequestHead = createHead({ method: given.method, path: given.path, fields });
        const call = startCall(edge.service, head);
        for (const piece of cutAt(given.body, given.cuts)) call.body.write(piece);
        call.body.end();
        expect(edge.calls.length + edge.others.length).toBeLessThan(2);
        const [inner] = edge.calls;
        if (inner !== undefined) checkInner(inner.head);
        const isAnswered = inner?.ended === true && inner.cancelled === undefined;
        if (isAnswered) inner.reply.end(['grpc-status', String(given.status)]);
        for (const other of edge.others) other.reply.head({ status: 404, fields: [] });
        for (const other of edge.others) other.reply.end([]);
        await call.done;
        expect(edge.violations).toEqual([]);
        expect([call.heads.length, call.error]).toEqual([1, undefined]);
        if (edge.others.length > 0) return;
        const { http = 0, contentType: type = '', code } = readAnswer(call);
        seen.add(`${head.call.dialect} ${http} ${code}`);
        if (type.startsWith('application/json')) {
          const said = JSON.parse(latin1(call.bytes())) as { code: string };
          const expected = codeFromName(said.code) as Code;
          // A refusal of the dialect may have a status line of its own.
          if (!REFUSALS.includes(http)) expect(http).toBe(httpStatusOf(expected));
        } else if (/^application\/(grpc|connect)/.test(type) && !REFUSALS.includes(http)) {
          expect(http).toBe(200);
        }
        // A unary answer of Connect that says OK without a message is none.
        if (isAnswered && given.status !== 0) expect(code).toBe(given.status);
        if (!isAnswered) expect(code).not.toBe(0);
      }),
      fuzzing(1_500),
    );
    const dialects = new Set([...seen].map((each) => each.split(' ')[0]));
    expect(dialects).toEqual(new Set(['connect', 'connect-stream', 'grpc', 'grpc-web', 'grpc-web-text']));
  });
});

/** What goes on is the inner dialect, whatever the caller put into its head. */
function checkInner({ method, path: to, fields, call }: RequestHead): void {
  expect(method).toBe('POST');
  expect(to).not.toContain('?');
  const names = fields.filter((_, i) => i % 2 === 0);
  for (const own of ['content-type', 'te']) expect(names.filter((name) => name === own)).toHaveLength(1);
  expect(fields.slice(0, 4)).toEqual(['content-type', expect.stringMatching(/^application\/grpc/), 'te', 'trailers']);
  for (const name of names) {
    expect(name).not.toMatch(
      /^(:|bascule-|connect-|grpc-(status|message|timeout)$|content-(length|encoding)$|connection$|$)/,
    );
  }
  if (call.deadlineMs !== undefined) expect(call.deadlineMs).toBeGreaterThanOrEqual(0);
}

describe('a timeout', () => {
  const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
  const like = fc.oneof(timeout, fc.stringMatching(/^[0-9+\-. eHMSmunx]{0,11}$/));

  it('of gRPC is 1 to 8 digits and a unit, or none', () => {
    fc.assert(
      fc.property(like, (text) => {
        const parts = /^([0-9]{1,8})([HMSmun])$/.exec(text);
        const expected = parts === null ? undefined : Number(parts[1]) * (UNITS[parts[2] as string] as number);
        expect(parseGrpcTimeout(text)).toBe(expected);
      }),
      fuzzing(2_000),
    );
  });

  it('of Connect is 1 to 10 digits, or none', () => {
    fc.assert(
      fc.property(like, (text) => {
        expect(parseConnectTimeout(text)).toBe(/^[0-9]{1,10}$/.test(text) ? Number(text) : undefined);
      }),
      fuzzing(2_000),
    );
  });
});
