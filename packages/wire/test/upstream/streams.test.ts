import { gzipSync } from 'node:zlib';
import { callError, Code, getAllFields, getField, type Service } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { createConnectUpstream } from '../../src/dialect/connect/upstream.ts';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createGrpcWebUpstream } from '../../src/dialect/grpc-web/upstream.ts';
import { frame } from '../dialect/support/callee.ts';
import { codeOf, startUpstream, toLines } from './support.ts';

/** A dialect whose messages are the inner ones, and how its callees say things. */
interface Dialect {
  readonly name: string;
  readonly create: (next: Service) => Service;
  readonly type: string;
  readonly otherCodec: string;
  readonly encodingField: string;
  readonly acceptField: string;
  /** Flag of the last frame; 0 where HTTP trailers end an answer. */
  readonly endFlag: number;
  ok(): Uint8Array;
}

const WEB: Dialect = {
  name: 'gRPC-Web',
  create: createGrpcWebUpstream,
  type: 'application/grpc-web',
  otherCodec: 'application/grpc-web+json',
  encodingField: 'grpc-encoding',
  acceptField: 'grpc-accept-encoding',
  endFlag: 0x80,
  ok: () => frame('grpc-status: 0\r\nx-b: 2\r\n', 0x80),
};
const CONNECT: Dialect = {
  name: 'Connect',
  create: (next) => createConnectUpstream(next),
  type: 'application/connect+proto',
  otherCodec: 'application/connect+json',
  encodingField: 'connect-content-encoding',
  acceptField: 'connect-accept-encoding',
  endFlag: 0x02,
  ok: () => frame('{"metadata":{"x-b":["2"]}}', 0x02),
};
const GRPC: Dialect = {
  name: 'gRPC',
  create: createGrpcUpstream,
  type: 'application/grpc',
  otherCodec: 'application/grpc+json',
  encodingField: 'grpc-encoding',
  acceptField: 'grpc-accept-encoding',
  endFlag: 0,
  ok: () => new Uint8Array(),
};

type Started = ReturnType<typeof startUpstream>;

/** Ends an answer with success, as the dialect does. */
function sayOk(dialect: Dialect, { seen }: Started): void {
  if (dialect.endFlag === 0) return seen.reply.end(['grpc-status', '0', 'x-b', '2']);
  seen.reply.write(dialect.ok());
  seen.reply.end([]);
}

function sayHead(dialect: Dialect, { seen }: Started, ...fields: string[]): void {
  seen.reply.head({ status: 200, fields: ['content-type', dialect.type, ...fields] });
}

describe.each([GRPC, WEB, CONNECT])('an answer in $name', (dialect) => {
  it('passes messages, head, trailers and credit', () => {
    const started = startUpstream(dialect.create);
    const { call, seen, violations } = started;
    sayHead(dialect, started, 'x-a', '1', 'x-a', '2', dialect.acceptField, 'gzip');
    seen.reply.write(frame('m1'));
    seen.reply.write(frame('m2'));
    seen.reply.grant(7);
    const grantedBefore = seen.granted;
    sayOk(dialect, started);
    expect(getAllFields(call.heads[0]?.fields ?? [], 'x-a')).toEqual(['1', '2']);
    expect(getField(call.heads[0]?.fields ?? [], 'content-type')).toBe('application/grpc');
    expect(getField(call.heads[0]?.fields ?? [], 'grpc-accept-encoding')).toBe('gzip');
    expect(Buffer.from(call.bytes())).toEqual(Buffer.concat([frame('m1'), frame('m2')]));
    expect(call.trailers).toEqual(['grpc-status', '0', 'x-b', '2']);
    expect(call.granted).toBe(7);
    // What the caller never sees is given back by the upstream.
    expect([grantedBefore, seen.granted - grantedBefore]).toEqual([14, dialect.ok().length]);
    expect(violations).toEqual([]);
  });

  it.each([
    [200, 'text/html', Code.unknown],
    [200, 'image/jpeg', Code.unknown],
    [200, '', Code.unknown],
    [200, 'application/json', Code.unknown],
    [400, 'text/plain', Code.internal],
    [401, 'text/plain', Code.unauthenticated],
    [403, 'text/plain', Code.permissionDenied],
    [404, 'text/plain', Code.unimplemented],
    [409, 'text/plain', Code.unknown],
    [418, 'text/plain', Code.unknown],
    [429, 'text/plain', Code.unavailable],
    [431, 'text/plain', Code.unknown],
    [502, 'text/plain', Code.unavailable],
    [503, 'text/plain', Code.unavailable],
    [504, 'text/plain', Code.unavailable],
    [505, 'text/plain', Code.unknown],
    [800, 'text/plain', Code.unknown],
  ])('is a failure at HTTP status %i in %j', (status, type, code) => {
    const { call, seen, violations } = startUpstream(dialect.create);
    seen.reply.head({ status, fields: type === '' ? [] : ['content-type', type] });
    seen.reply.write(Buffer.from('<html>'));
    seen.reply.end([]);
    expect(codeOf(call)).toBe(code);
    expect([call.heads, call.trailers, seen.cancelled]).toEqual([[], undefined, 'protocol-error']);
    expect(violations.filter((violation) => violation.startsWith('outer'))).toEqual([]);
  });

  it('is a failure in another codec than was asked for', () => {
    const { call, seen } = startUpstream(dialect.create);
    seen.reply.head({ status: 200, fields: ['content-type', dialect.otherCodec] });
    expect(codeOf(call)).toBe(Code.internal);
    const json = startUpstream(dialect.create, { innerType: 'application/grpc+json' });
    json.seen.reply.head({ status: 200, fields: ['content-type', dialect.otherCodec] });
    sayOk(dialect, json);
    expect([codeOf(json.call), getField(json.call.heads[0]?.fields ?? [], 'content-type')]).toEqual([
      0,
      'application/grpc+json',
    ]);
  });

  it('takes parameters and capitals in the content type', () => {
    const started = startUpstream(dialect.create);
    started.seen.reply.head({ status: 200, fields: ['content-type', `${dialect.type.toUpperCase()}; charset=x`] });
    sayOk(dialect, started);
    expect(codeOf(started.call)).toBe(0);
  });

  it.each([
    ['no encoding', undefined, Code.internal],
    ['identity', 'identity', Code.internal],
    ['an encoding nobody asked for', 'foo', Code.internal],
    ['an encoding that was announced', 'gzip', 0],
    ['the encoding of the request', 'br', 0],
  ])('may be compressed with %s: %s', (_title, encoding, code) => {
    const started = startUpstream(dialect.create, {
      fields: ['grpc-encoding', 'br', 'grpc-accept-encoding', 'zstd, gzip'],
    });
    sayHead(dialect, started, ...(encoding === undefined ? [] : [dialect.encodingField, encoding]));
    started.seen.reply.write(frame('plain'));
    started.seen.reply.write(frame('packed', 1));
    if (started.call.error === undefined) sayOk(dialect, started);
    expect(codeOf(started.call)).toBe(code);
    expect(Buffer.from(started.call.bytes()).subarray(0, 10)).toEqual(frame('plain'));
    if (code === 0) expect(getField(started.call.heads[0]?.fields ?? [], 'grpc-encoding')).toBe(encoding);
  });

  it.each(['unary', 'client_stream'] as const)('to a %s call has one message', (kind) => {
    // A unary call in Connect is no stream.
    if (dialect === CONNECT && kind === 'unary') return;
    for (const count of [0, 1, 2]) {
      const started = startUpstream(dialect.create, { kind });
      sayHead(dialect, started);
      for (let i = 0; i < count; i++) if (started.call.error === undefined) started.seen.reply.write(frame('m'));
      if (started.call.error === undefined) sayOk(dialect, started);
      expect([count, codeOf(started.call)]).toEqual([count, count === 1 ? 0 : Code.unimplemented]);
    }
  });

  it.each([0x04, 0x40, 0x08])('is cut off at flags 0x%x, after the messages before', (flags) => {
    const started = startUpstream(dialect.create);
    sayHead(dialect, started);
    started.seen.reply.write(Buffer.concat([frame('good'), frame('bad', flags)]));
    expect(codeOf(started.call)).toBe(Code.internal);
    expect(Buffer.from(started.call.bytes())).toEqual(frame('good'));
    expect(started.seen.cancelled).toBe('protocol-error');
  });

  it('is never whole when cut, at any byte', () => {
    const whole = Buffer.concat([frame('hello'), dialect.ok()]);
    for (let end = 0; end < whole.length; end++) {
      const started = startUpstream(dialect.create);
      sayHead(dialect, started);
      started.seen.reply.write(whole.subarray(0, end));
      started.seen.reply.end(dialect.endFlag === 0 && end < 10 && end > 0 ? ['grpc-status', '0'] : []);
      expect([end, codeOf(started.call)]).toEqual([end, expect.toBeOneOf([Code.internal, Code.unknown])]);
    }
  });

  it('is whole when it ended before the connection broke, and only then', () => {
    const started = startUpstream(dialect.create);
    sayHead(dialect, started);
    if (dialect.endFlag !== 0) started.seen.reply.write(dialect.ok());
    started.seen.reply.fail(callError(Code.unavailable, 'lost'));
    expect(codeOf(started.call)).toBe(dialect.endFlag === 0 ? Code.unavailable : 0);
  });
});

describe.each([WEB, CONNECT])('the last frame of $name', (dialect) => {
  it('comes through however it is cut', () => {
    const whole = Buffer.concat([frame('hello'), dialect.ok()]);
    for (let at = 0; at <= whole.length; at++) {
      const started = startUpstream(dialect.create);
      sayHead(dialect, started);
      for (const piece of [whole.subarray(0, at), whole.subarray(at)].filter(({ length }) => length > 0)) {
        // As wires do it: a read buffer that is used again.
        const lent = Uint8Array.from(piece);
        started.seen.reply.write(lent);
        lent.fill(0xee);
      }
      started.seen.reply.end([]);
      expect([at, started.call.trailers]).toEqual([at, ['grpc-status', '0', 'x-b', '2']]);
      expect(Buffer.from(started.call.bytes())).toEqual(frame('hello'));
      expect(started.violations).toEqual([]);
    }
  });

  it('is the last', () => {
    for (const extra of [frame('more'), dialect.ok(), Uint8Array.of(0)]) {
      const started = startUpstream(dialect.create);
      sayHead(dialect, started);
      started.seen.reply.write(Buffer.concat([dialect.ok(), extra]));
      expect([codeOf(started.call), started.seen.cancelled]).toEqual([Code.internal, 'protocol-error']);
    }
  });

  it('is owed', () => {
    const started = startUpstream(dialect.create);
    sayHead(dialect, started);
    started.seen.reply.write(frame('hello'));
    // HTTP trailers are not how this dialect says it.
    started.seen.reply.end(['grpc-status', '0']);
    expect(codeOf(started.call)).toBe(Code.unknown);
  });

  it('may be compressed in an encoding that was agreed on', () => {
    const started = startUpstream(dialect.create, { fields: ['grpc-accept-encoding', 'gzip'] });
    sayHead(dialect, started, dialect.encodingField, 'gzip');
    started.seen.reply.write(frame(gzipSync(dialect.ok().subarray(5)), dialect.endFlag | 1));
    started.seen.reply.end([]);
    expect(started.call.trailers).toEqual(['grpc-status', '0', 'x-b', '2']);
  });

  it('is a failure when it does not unpack, or to too much', () => {
    const bomb = gzipSync(Buffer.alloc(20_000_000));
    for (const bytes of [Buffer.from('no gzip'), bomb]) {
      const started = startUpstream(dialect.create, { fields: ['grpc-accept-encoding', 'gzip'] });
      sayHead(dialect, started, dialect.encodingField, 'gzip');
      started.seen.reply.write(frame(bytes, dialect.endFlag | 1));
      started.seen.reply.end([]);
      expect(codeOf(started.call)).toBe(Code.internal);
    }
  });

  it('is bounded', () => {
    const started = startUpstream(dialect.create);
    sayHead(dialect, started);
    started.seen.reply.write(Uint8Array.of(dialect.endFlag, 0xff, 0xff, 0xff, 0xff));
    expect([codeOf(started.call), started.seen.cancelled]).toEqual([Code.resourceExhausted, 'protocol-error']);
  });
});

describe('trailers of gRPC-Web', () => {
  function endWith(block: string): Started {
    const started = startUpstream(createGrpcWebUpstream);
    sayHead(WEB, started);
    started.seen.reply.write(frame(block, 0x80));
    started.seen.reply.end([]);
    return started;
  }

  it('come in any case, with spaces, in any number', () => {
    const { call } = endWith('Grpc-Status: 9\r\ngRPC-Message:error\r\nx-Custom: bing\r\nx-custom:  quuz \r\n\r\n');
    expect(call.trailers).toEqual([
      'grpc-status',
      '9',
      'grpc-message',
      'error',
      'x-custom',
      'bing',
      'x-custom',
      'quuz',
    ]);
  });

  it.each(['grpc-status', 'grpc-status: 0\r\nno colon\r\n', 'grpc-status: 0\r\na b: 1\r\n', 'a: \0\r\n', ': 1\r\n'])(
    'are a failure when malformed: %j',
    (block) => expect(codeOf(endWith(block).call)).toBe(Code.internal),
  );

  it('without a status are unknown', () => expect(codeOf(endWith('grpc-message: error\r\n').call)).toBe(Code.unknown));

  it('may stand in the head when there is no body', () => {
    for (const kind of ['unary', 'server_stream'] as const) {
      const { call, seen } = startUpstream(createGrpcWebUpstream, { kind });
      seen.reply.head({
        status: 200,
        fields: ['content-type', 'application/grpc-web', 'x-a', '1', 'grpc-status', '9'],
      });
      seen.reply.end([]);
      expect([call.heads, call.trailers]).toEqual([[], ['x-a', '1', 'grpc-status', '9']]);
    }
  });

  it('in the head say no success of a call that owes a message', () => {
    const { call, seen } = startUpstream(createGrpcWebUpstream, { kind: 'unary' });
    seen.reply.head({ status: 200, fields: ['content-type', 'application/grpc-web', 'grpc-status', '0'] });
    seen.reply.end([]);
    expect(codeOf(call)).toBe(Code.unimplemented);
  });

  it('in the head count for nothing when there is a body', () => {
    const { call, seen } = startUpstream(createGrpcWebUpstream);
    seen.reply.head({ status: 200, fields: ['content-type', 'application/grpc-web', 'grpc-status', '8', 'x-a', '1'] });
    seen.reply.write(frame('grpc-status: 9\r\n', 0x80));
    seen.reply.end([]);
    expect([codeOf(call), call.heads[0]?.fields]).toEqual([9, ['content-type', 'application/grpc', 'x-a', '1']]);
  });
});

describe('the end of a Connect stream', () => {
  function endWith(json: string): Started {
    const started = startUpstream((next) => createConnectUpstream(next));
    sayHead(CONNECT, started);
    started.seen.reply.write(frame(json, 0x02));
    started.seen.reply.end([]);
    return started;
  }

  it.each([
    ['{}', 0],
    ['{"error":null}', 0],
    ['{"error":{"code":null,"message":"oops"}}', Code.unknown],
    ['{"error":{"message":"oops"}}', Code.unknown],
    ['{"error":{"code":"foobar"}}', Code.unknown],
    ['{"error":{"code":"ok"}}', Code.unknown],
    ['{"error":{"code":"unauthenticated"}}', Code.unauthenticated],
    ['{"code":"out_of_range"}', 0],
    ['{"error":"no"}', Code.internal],
    ['null', Code.internal],
    ['[]', Code.internal],
    ['{', Code.internal],
    ['', Code.internal],
  ])('%s reads as %i', (json, code) => expect(codeOf(endWith(json).call)).toBe(code));

  it('holds metadata that fields can hold, and no status', () => {
    const { call } = endWith(
      JSON.stringify({
        metadata: {
          'X-Up': ['1', '2'],
          'x-ü': ['no name'],
          'x-break': ['a\r\nb: c', 'whole'],
          'x-latin': ['é'],
          'x-wide': ['€'],
          'x-odd': [1, null, 'text'],
          'x-none': 'no list',
          'grpc-status': ['3'],
          __proto__: ['not a name of a prototype'],
        },
      }),
    );
    expect(toLines(call.trailers)).toEqual([
      'grpc-status 0',
      'x-up 1',
      'x-up 2',
      'x-break whole',
      'x-latin é',
      `x-wide ${Buffer.from('€').toString('latin1')}`,
      'x-odd text',
    ]);
  });

  it('is refused where its metadata unfolds to far more than it takes', () => {
    const name = `x-${'n'.repeat(1_000)}`;
    const metadata = (values: number) =>
      JSON.stringify({ metadata: { [name]: Array.from({ length: values }, () => '') } });
    expect(codeOf(endWith(metadata(100)).call)).toBe(0);
    expect(codeOf(endWith(metadata(1_000)).call)).toBe(Code.internal);
  });
});
