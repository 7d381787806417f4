import { gzipSync } from 'node:zlib';
import { callError, Code, getField, type Idempotency, type RequestHead } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createConnectUpstream } from '../../src/dialect/connect/upstream.ts';
import { decodeStatusDetails } from '../../src/dialect/connect/status-details.ts';
import { createCallee, frame } from '../dialect/support/callee.ts';
import { callOf, codeOf, startUpstream, toLines } from './support.ts';

const JSON_TYPE = ['content-type', 'application/json'];
const PROTO_TYPE = ['content-type', 'application/proto'];

function start(...fields: string[]) {
  return startUpstream((next) => createConnectUpstream(next, { maxMessageBytes: 1000 }), { kind: 'unary', fields });
}

function answer(status: number, fields: string[], body: string | Uint8Array, ...asked: string[]) {
  const started = start(...asked);
  const { reply } = started.seen;
  reply.head({ status, fields });
  if (body.length > 0 && started.call.error === undefined) reply.write(Buffer.from(body as string));
  if (started.call.error === undefined) reply.end([]);
  return started;
}

describe('a unary answer in Connect', () => {
  it('is a message, with what its head says of trailers', () => {
    const fields = [
      ...PROTO_TYPE,
      'x-a',
      '1',
      'trailer-x-b',
      '2',
      'content-length',
      '5',
      'x-a',
      '3',
      'trailer-x-b',
      '4',
    ];
    const { call, violations } = answer(200, fields, 'hello');
    expect(call.heads).toEqual([{ status: 200, fields: ['content-type', 'application/grpc', 'x-a', '1', 'x-a', '3'] }]);
    expect(Buffer.from(call.bytes())).toEqual(frame('hello'));
    expect(call.trailers).toEqual(['grpc-status', '0', 'x-b', '2', 'x-b', '4']);
    expect(violations).toEqual([]);
  });

  it('is the empty message without bytes, whatever it is said to be encoded in', () => {
    const { call } = answer(200, [...PROTO_TYPE, 'content-encoding', 'gzip'], '', 'grpc-accept-encoding', 'gzip');
    expect(Buffer.from(call.bytes())).toEqual(frame(''));
    expect([codeOf(call), getField(call.heads[0]?.fields ?? [], 'grpc-encoding')]).toEqual([0, undefined]);
  });

  it('stays compressed', () => {
    const packed = gzipSync('hello');
    const { call } = answer(
      200,
      [...PROTO_TYPE, 'content-encoding', 'gzip'],
      packed,
      'grpc-accept-encoding',
      'br,gzip',
    );
    expect(Buffer.from(call.bytes())).toEqual(frame(packed, 1));
    expect(getField(call.heads[0]?.fields ?? [], 'grpc-encoding')).toBe('gzip');
  });

  it('keeps what cannot be a trailer out of the trailers', () => {
    const fields = [...PROTO_TYPE, 'trailer-grpc-status', '5', 'trailer-', 'x', 'trailer-grpc-message', 'no'];
    expect(answer(200, fields, 'm').call.trailers).toEqual(['grpc-status', '0']);
  });

  it.each([
    [200, 'image/jpeg', '', Code.unknown],
    [200, 'application/connect+proto', '', Code.unknown],
    [200, 'application/json', '', Code.internal],
    [200, 'application/proto', 'foo', Code.internal],
    [403, 'application/proto', '', Code.permissionDenied],
    [418, '', '', Code.unknown],
    [429, 'text/html', '', Code.unavailable],
    [304, '', '', Code.unknown],
    [800, '', '', Code.unknown],
  ])('is a failure at HTTP status %i in %j with encoding %j', (status, type, encoding, code) => {
    const fields = [
      ...(type === '' ? [] : ['content-type', type]),
      ...(encoding === '' ? [] : ['content-encoding', encoding]),
    ];
    const { call, seen } = answer(status, fields, 'body');
    expect([call.error?.code, call.heads, seen.cancelled]).toEqual([code, [], 'protocol-error']);
  });

  it.each([
    [401, 'null', Code.unauthenticated, ''],
    [401, '{"code":null,"message":"oops"}', Code.unauthenticated, 'oops'],
    [401, '{"message":"oops"}', Code.unauthenticated, 'oops'],
    [429, '{"code":"foobar","message":"oops"}', Code.unavailable, 'oops'],
    [401, '{"code":"unauthenticated"}', Code.unauthenticated, ''],
    [422, '{"code":"out_of_range","message":"grüße % oops","foobar":1}', Code.outOfRange, 'gr%C3%BC%C3%9Fe %25 oops'],
    [500, '<html>', Code.unknown, ''],
    [503, '', Code.unavailable, ''],
    [503, '[]', Code.unavailable, ''],
  ])('is an error at HTTP status %i with %s', (status, json, code, message) => {
    const { call } = answer(status, [...JSON_TYPE, 'x-a', '1', 'trailer-x-b', '2'], json);
    expect(codeOf(call)).toBe(code);
    if (call.error !== undefined) return;
    expect(getField(call.trailers ?? [], 'grpc-message') ?? '').toBe(message);
    expect(call.heads[0]?.fields).toEqual(['content-type', 'application/grpc', 'x-a', '1']);
    expect(getField(call.trailers ?? [], 'x-b')).toBe('2');
    expect(call.bytes()).toHaveLength(0);
  });

  it('is an error with details; debug texts and what is no detail are left out', () => {
    const details = [
      { type: 'google.protobuf.FileDescriptorProto', value: 'Cgp0ZXN0LnByb3Rv', debug: 'garbage', frob: 1 },
      { type: 'test.v1.Empty', value: '' },
      { type: 'test.v1.Bad', value: '%%%' },
      { value: 'AA' },
      'text',
    ];
    const { call } = answer(422, JSON_TYPE, JSON.stringify({ code: 'out_of_range', message: 'é', details }));
    const value = getField(call.trailers ?? [], 'grpc-status-details-bin') ?? '';
    expect(value).not.toContain('=');
    expect(decodeStatusDetails(value)).toEqual({
      message: 'é',
      details: [
        { type: 'google.protobuf.FileDescriptorProto', value: 'Cgp0ZXN0LnByb3Rv' },
        { type: 'test.v1.Empty', value: '' },
      ],
    });
  });

  it('is an error also when that is compressed, and the HTTP status when it does not unpack', () => {
    const json = '{"code":"out_of_range"}';
    const fields = [...JSON_TYPE, 'content-encoding', 'gzip'];
    expect(codeOf(answer(422, fields, gzipSync(json)).call)).toBe(Code.outOfRange);
    expect(codeOf(answer(404, fields, 'no gzip').call)).toBe(Code.unimplemented);
  });

  it('is bounded', () => {
    const { call, seen } = start();
    seen.reply.head({ status: 200, fields: PROTO_TYPE });
    seen.reply.write(Buffer.alloc(1000));
    expect([call.error, seen.granted]).toEqual([undefined, 1000]);
    seen.reply.write(Buffer.alloc(1));
    expect([call.error?.code, seen.cancelled]).toEqual([Code.resourceExhausted, 'protocol-error']);
    const error = start();
    error.seen.reply.head({ status: 401, fields: JSON_TYPE });
    for (let i = 0; i < 20 && error.call.error === undefined; i++) error.seen.reply.write(Buffer.alloc(16_384, 32));
    expect([error.call.error?.code, error.seen.cancelled]).toEqual([Code.unauthenticated, 'protocol-error']);
  });

  it('is a failure when the link fails, at any time', () => {
    for (const steps of [0, 1, 2]) {
      const { call, seen } = start();
      if (steps > 0) seen.reply.head({ status: 200, fields: PROTO_TYPE });
      if (steps > 1) seen.reply.write(Buffer.from('half'));
      const error = callError(Code.unavailable, 'lost', 'refused');
      seen.reply.fail(error);
      seen.reply.end([]);
      expect([call.error, call.heads]).toEqual([error, []]);
    }
  });

  it('waits for credit', () => {
    const callee = createCallee();
    const upstream = createConnectUpstream(callee.service);
    const call = startCall(upstream, createHead({ call: callOf('unary') }), false);
    call.body.write(frame('ask'));
    call.body.end();
    const seen = callee.calls[0];
    seen?.reply.head({ status: 200, fields: PROTO_TYPE });
    seen?.reply.write(Buffer.alloc(60_000, 1));
    seen?.reply.write(Buffer.alloc(60_000, 2));
    seen?.reply.end([]);
    expect([call.bytes().length, call.trailers]).toEqual([65_535, undefined]);
    call.body.grant(60_000);
    expect([call.bytes().length, call.trailers]).toEqual([120_005, ['grpc-status', '0']]);
  });
});

describe('a unary request in Connect', () => {
  function open(
    fields: string[] = [],
    get?: (head: RequestHead) => boolean,
    idempotency: Idempotency = 'no_side_effects',
  ) {
    const callee = createCallee();
    const upstream = createConnectUpstream(callee.service, get === undefined ? {} : { get });
    const head = createHead({
      fields: ['content-type', 'application/grpc+json', 'te', 'trailers', ...fields],
      call: callOf('unary', idempotency),
    });
    return { call: startCall(upstream, head), callee };
  }

  it('is sent when its length is known, and passes from there on', () => {
    const { call, callee } = open([
      'x-a',
      '1',
      'grpc-encoding',
      'gzip',
      'grpc-accept-encoding',
      'gzip,br',
      'grpc-timeout',
      '1500001u',
      'x-a',
      '2',
    ]);
    const message = frame('{"a":1}');
    for (const byte of message.subarray(0, 4)) call.body.write(Uint8Array.of(byte));
    expect(callee.calls).toHaveLength(0);
    call.body.write(message.subarray(4, 8));
    const [seen] = callee.calls;
    expect(seen?.head).toMatchObject({ method: 'POST', path: '/test.v1.TestService/Unary' });
    expect(toLines(seen?.head.fields)).toEqual([
      'content-type application/json',
      'connect-protocol-version 1',
      'accept-encoding gzip,br',
      'connect-timeout-ms 1501',
      'x-a 1',
      'x-a 2',
      'content-length 7',
    ]);
    expect([call.granted, Buffer.concat(seen?.chunks ?? []).toString()]).toEqual([5, '{"a']);
    call.body.write(message.subarray(8));
    call.body.end();
    expect([Buffer.concat(seen?.chunks ?? []).toString(), seen?.ended]).toEqual(['{"a":1}', true]);
    seen?.reply.grant(9);
    expect(call.granted).toBe(14);
  });

  it('says its encoding when its message is compressed', () => {
    const { call, callee } = open(['grpc-encoding', 'gzip']);
    call.body.write(frame('packed', 1));
    expect(getField(callee.calls[0]?.head.fields ?? [], 'content-encoding')).toBe('gzip');
  });

  it('is refused in an encoding that nobody knows, unless the callee is the one to refuse it', () => {
    for (const [encoding, flags, code] of [
      ['foo', 0, Code.unimplemented],
      ['foo', 1, undefined],
      ['zstd', 0, undefined],
      ['identity', 0, undefined],
    ] as const) {
      const { call, callee } = open(['grpc-encoding', encoding]);
      call.body.write(frame('m', flags));
      expect([encoding, flags, call.error?.code]).toEqual([encoding, flags, code]);
      const said = getField(callee.calls[0]?.head.fields ?? [], 'content-encoding');
      expect(said).toBe(flags === 1 ? encoding : undefined);
    }
  });

  it.each([
    ['no message', [], Code.unimplemented],
    ['two messages', [frame('a'), frame('b')], Code.unimplemented],
    ['half a prefix', [Uint8Array.of(0, 0)], Code.internal],
    ['half a message', [frame('hello').subarray(0, 7)], Code.internal],
  ])('is refused with %s', (_title, pieces, code) => {
    const { call, callee } = open();
    for (const piece of pieces) call.body.write(piece);
    call.body.end();
    expect(call.error?.code).toBe(code);
    expect(callee.calls.every((seen) => seen.cancelled === 'protocol-error' && !seen.ended)).toBe(true);
  });

  it('is cancelled, also before it was sent', () => {
    const early = open();
    early.call.body.cancel('deadline');
    early.call.body.write(frame('late'));
    early.call.body.end();
    expect([early.callee.calls, early.call.error]).toEqual([[], undefined]);
    const late = open();
    late.call.body.write(frame('ask'));
    late.call.body.cancel('deadline');
    expect(late.callee.calls[0]?.cancelled).toBe('deadline');
  });

  it('goes as a GET where that is wished for and harmless', () => {
    const fields = ['grpc-timeout', '2S', 'grpc-accept-encoding', 'gzip', 'x-a', '1'];
    const { call, callee } = open(fields, () => true);
    call.body.write(frame('{"a": "ü&"}'));
    expect(callee.calls).toHaveLength(0);
    call.body.end();
    const [seen] = callee.calls;
    expect(seen?.head.method).toBe('GET');
    expect(seen?.head.path).toBe(
      '/test.v1.TestService/Unary?connect=v1&encoding=json&message=%7B%22a%22%3A%20%22%C3%BC%26%22%7D',
    );
    expect(seen?.head.fields).toEqual(['accept-encoding', 'gzip', 'connect-timeout-ms', '2000', 'x-a', '1']);
    expect([seen?.chunks, seen?.ended]).toEqual([[], true]);
  });

  it('goes as a GET in base64 when it is binary or compressed', () => {
    const { call, callee } = open(['grpc-encoding', 'gzip'], () => true);
    call.body.write(frame(Uint8Array.of(0xfb, 0xff, 0xfe), 1));
    call.body.end();
    expect(callee.calls[0]?.head.path).toMatch(/\?connect=v1&base64=1&compression=gzip&encoding=json&message=-__-$/);
  });

  it.each([
    ['the path would be too long', true, 'no_side_effects', 9000],
    ['the path would be too long once encoded', true, 'no_side_effects', 8150],
    ['nobody wishes for a GET', false, 'no_side_effects', 10],
    ['the method has side effects', true, 'idempotent', 10],
  ] as const)('goes as a POST when %s', (_title, get, idempotency, length) => {
    const { call, callee } = open([], () => get, idempotency);
    const message = Buffer.alloc(length, 'x');
    call.body.write(frame(message));
    call.body.end();
    const [seen] = callee.calls;
    expect([seen?.head.method, seen?.ended]).toEqual(['POST', true]);
    expect(Buffer.concat(seen?.chunks ?? [])).toEqual(message);
    expect(getField(seen?.head.fields ?? [], 'content-length')).toBe(String(length));
  });
});
