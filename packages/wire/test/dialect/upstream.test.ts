import { callError, Code, type ResponseHead } from '@bascule/core';
import { startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createCallee, frame, latin1, type SeenCall } from './support/callee.ts';
import { watchLaw, type Violations } from './support/law.ts';

function start() {
  const callee = createCallee();
  const violations: Violations = [];
  const call = startCall(watchLaw('upstream', createGrpcUpstream(callee.service), violations));
  return { call, seen: callee.calls[0] as SeenCall, violations };
}

const GRPC: ResponseHead = { status: 200, fields: ['content-type', 'application/grpc+proto', 'x-a', '1'] };

describe('what a backend answers', () => {
  it('passes when it is gRPC', () => {
    const { call, seen, violations } = start();
    seen.reply.head(GRPC);
    seen.reply.write(frame('m'));
    seen.reply.grant(7);
    seen.reply.end(['grpc-status', '5', 'x-b', '2']);
    expect(call.heads).toEqual([GRPC]);
    expect(call.bytes()).toEqual(new Uint8Array(frame('m')));
    expect(call.granted).toBe(7);
    expect(call.trailers).toEqual(['grpc-status', '5', 'x-b', '2']);
    expect(violations).toEqual([]);
  });

  it.each([
    [400, 13],
    [401, 16],
    [403, 7],
    [404, 12],
    [429, 14],
    [431, 2],
    [500, 2],
    [502, 14],
    [503, 14],
    [504, 14],
    [302, 2],
    [204, 2],
  ])('is a failure at HTTP status %i', (status, code) => {
    const { call, seen, violations } = start();
    seen.reply.head({ status, fields: ['content-type', 'text/html'] });
    seen.reply.write(Buffer.from('<html>'));
    seen.reply.end([]);
    expect(call.error).toMatchObject({ code, processed: 'maybe' });
    expect([call.heads, call.chunks, call.trailers]).toEqual([[], [], undefined]);
    expect(seen.cancelled).toBe('protocol-error');
    expect(violations).toEqual([]);
  });

  it.each([[['content-type', 'text/html']], [['content-type', 'application/grpc-web']], [[]]])(
    'is unknown in another content type: %j',
    (fields) => {
      const { call, seen } = start();
      seen.reply.head({ status: 200, fields });
      expect(call.error?.code).toBe(Code.unknown);
      expect(call.heads).toEqual([]);
      expect(seen.cancelled).toBe('protocol-error');
    },
  );

  it.each([200, 503])('is Trailers-Only when its head holds the status, at HTTP status %i', (status) => {
    const { call, seen, violations } = start();
    const fields = [
      'content-type',
      'application/grpc',
      'grpc-status',
      '9',
      'grpc-message',
      'no',
      'x-a',
      '1',
      'connection',
      'x',
    ];
    seen.reply.head({ status, fields });
    expect(call.heads).toEqual([]);
    seen.reply.end([]);
    expect(call.heads).toEqual([]);
    expect(call.trailers).toEqual(['grpc-status', '9', 'grpc-message', 'no', 'x-a', '1']);
    expect(violations).toEqual([]);
  });

  it('is judged by its trailers when a status in the head was premature', () => {
    const { call, seen, violations } = start();
    seen.reply.head({ status: 200, fields: ['content-type', 'application/grpc', 'grpc-status', '0', 'x-a', '1'] });
    seen.reply.write(frame('m'));
    seen.reply.end(['grpc-status', '13']);
    expect(call.heads).toEqual([{ status: 200, fields: ['content-type', 'application/grpc', 'x-a', '1'] }]);
    expect(call.trailers).toEqual(['grpc-status', '13']);
    expect(violations).toEqual([]);
  });

  it('is never OK without a status', () => {
    for (const fields of [[], ['x-a', '1']]) {
      const { call, seen } = start();
      seen.reply.head(GRPC);
      seen.reply.write(frame('m'));
      seen.reply.end(fields);
      expect(call.error?.code).toBe(Code.unknown);
      expect(call.trailers).toBeUndefined();
    }
  });

  it('is never OK when cut, at any byte', () => {
    const whole = frame('hallo');
    for (let end = 1; end < whole.length; end++) {
      const { call, seen } = start();
      seen.reply.head(GRPC);
      seen.reply.write(whole.subarray(0, end));
      seen.reply.end(['grpc-status', '0']);
      expect(call.error?.code, `cut at ${end}`).toBe(Code.internal);
    }
  });

  it('is cut off at bytes that are no message', () => {
    const { call, seen, violations } = start();
    seen.reply.head(GRPC);
    seen.reply.write(frame('m', 0x80));
    expect(call.error?.code).toBe(Code.internal);
    expect(latin1(call.bytes())).toBe('');
    expect(seen.cancelled).toBe('protocol-error');
    expect(violations).toEqual([]);
  });

  it('ends once', () => {
    const { call, seen, violations } = start();
    const error = callError(Code.unavailable, 'gone', 'refused');
    seen.reply.fail(error);
    seen.reply.head(GRPC);
    seen.reply.write(frame('m'));
    seen.reply.grant(5);
    seen.reply.end(['grpc-status', '0']);
    expect(call.error).toBe(error);
    expect([call.heads, call.granted]).toEqual([[], 0]);
    expect(violations).toEqual([]);
  });
});
