import { callError, Code, getAllFields, getField } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import {
  createEdge,
  decodeChunks,
  frame,
  lastFrame,
  latin1,
  onlyCall,
  outerViolations,
  readAnswer,
  startAs,
} from './support/callee.ts';

const ALL = [
  'application/grpc',
  'application/grpc-web',
  'application/grpc-web-text',
  'application/connect+proto',
  'application/proto',
] as const;
const IN_BODY = new Set<string>(['application/grpc-web', 'application/grpc-web-text', 'application/connect+proto']);
const HEAD = { status: 200, fields: ['content-type', 'application/grpc'] };

describe.each(ALL)('answers to %s', (contentType) => {
  const start = () => {
    const edge = createEdge();
    const call = startAs(edge, contentType);
    return { edge, call, reply: onlyCall(edge).reply, body: onlyCall(edge) };
  };

  it('end well', async () => {
    const { edge, call, reply } = start();
    reply.head(HEAD);
    reply.write(frame('hallo'));
    reply.end(['grpc-status', '0', 'grpc-message', '']);
    await call.done;
    expect(readAnswer(call)).toEqual({ http: 200, contentType, code: 0 });
    expect(edge.violations).toEqual([]);
  });

  it.each([
    ['cut in a message', (bytes: Uint8Array) => bytes.subarray(0, 7), 13],
    ['cut in a prefix', (bytes: Uint8Array) => bytes.subarray(0, 2), 13],
  ])('%s are never OK', async (_name, cut, code) => {
    const { edge, call, reply, body } = start();
    reply.head(HEAD);
    reply.write(cut(frame('hallo')));
    reply.end(['grpc-status', '0']);
    await call.done;
    // Where trailers stand in the body, a frame in the middle of a message would be read as part of it.
    expect(readAnswer(call).code).toBe(IN_BODY.has(contentType) ? undefined : code);
    expect(latin1(decodeChunks(call.bytes()))).not.toContain('grpc-status');
    expect(body.head.call.outcome).toMatchObject({ code, by: 'wire' });
    expect(edge.violations).toEqual([]);
  });

  it('without a status are never OK', async () => {
    const { edge, call, reply } = start();
    reply.head(HEAD);
    reply.write(frame('hallo'));
    reply.end([]);
    await call.done;
    expect(readAnswer(call).code).toBe(2);
    expect(edge.violations).toEqual([]);
  });

  // Flags of trailers or of an end of stream in a message would pass for our own.
  it.each([0x02, 0x80])('with a frame of flags %i are cut off', async (flags) => {
    const { edge, call, reply, body } = start();
    reply.head(HEAD);
    reply.write(frame('grpc-status:0\r\n', flags));
    reply.write(frame('late'));
    reply.end(['grpc-status', '0']);
    await call.done;
    expect(readAnswer(call).code).toBe(13);
    expect(latin1(call.bytes())).not.toContain('late');
    expect(body.cancelled).toBe('protocol-error');
    expect(outerViolations(edge)).toEqual([]);
  });

  it('with another HTTP status than 200 become failures', async () => {
    const { edge, call, reply, body } = start();
    reply.head({ status: 503, fields: ['content-type', 'text/html'] });
    reply.write(Buffer.from('<html>'));
    reply.end([]);
    await call.done;
    expect(readAnswer(call).code).toBe(14);
    expect(latin1(call.bytes())).not.toContain('<html>');
    expect(body.cancelled).toBe('protocol-error');
    expect(outerViolations(edge)).toEqual([]);
  });

  it('stop at the first end', async () => {
    const { edge, call, reply } = start();
    reply.fail(callError(Code.unavailable, 'gone'));
    reply.head(HEAD);
    reply.write(frame('late'));
    reply.end(['grpc-status', '0']);
    await call.done;
    expect(call.error).toBeUndefined();
    expect(readAnswer(call).code).toBe(14);
    expect(call.heads.length).toBe(1);
    expect(outerViolations(edge)).toEqual([]);
  });

  it('may come before the request ends', async () => {
    const { edge, call, reply, body } = start();
    reply.end(['grpc-status', '7']);
    call.body.write(frame('late'));
    call.body.end();
    await call.done;
    expect(readAnswer(call).code).toBe(7);
    expect([body.chunks, body.ended, body.cancelled]).toEqual([[], false, undefined]);
    expect(edge.violations).toEqual([]);
  });

  it('are owed no more after a cancel', () => {
    const { call, reply, body } = start();
    call.body.cancel('caller-gone');
    reply.head(HEAD);
    reply.write(frame('late'));
    reply.end(['grpc-status', '0']);
    expect(body.cancelled).toBe('caller-gone');
    expect(call.heads).toEqual([]);
    expect(call.trailers).toBeUndefined();
  });
});

describe.each([...IN_BODY])('answers to %s that fail inside a message', (contentType) => {
  it.each([['of the link'], ['of the callee']])('stop short instead of saying the failure %s', async (whose) => {
    const edge = createEdge();
    const call = startAs(edge, contentType);
    const { reply } = onlyCall(edge);
    reply.head(HEAD);
    reply.write(frame('hallo').subarray(0, 7));
    if (whose === 'of the link') reply.fail(callError(Code.unavailable, 'gone'));
    else reply.end(['grpc-status', '14']);
    await call.done;
    const bytes = contentType.includes('text') ? decodeChunks(call.bytes()) : call.bytes();
    expect(bytes.length).toBe(7);
    expect(call.trailers).toEqual([]);
  });
});

describe('shapes', () => {
  it('gRPC says an answer without messages in its head', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/grpc+proto');
    onlyCall(edge).reply.end(['grpc-status', '5', 'x-why', 'a', 'x-why', 'b']);
    await call.done;
    expect(call.heads).toEqual([
      {
        status: 200,
        fields: ['content-type', 'application/grpc+proto', 'grpc-status', '5', 'x-why', 'a', 'x-why', 'b'],
      },
    ]);
    expect([call.chunks, call.trailers]).toEqual([[], []]);
  });

  it('gRPC passes head, messages and trailers', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/grpc');
    const { reply } = onlyCall(edge);
    reply.head({
      status: 200,
      fields: ['content-type', 'application/grpc+proto', 'x-a', '1', 'x-a', '2', 'grpc-encoding', 'gzip'],
    });
    reply.write(frame('m', 1));
    reply.end(['grpc-status', '0', 'x-b-bin', 'AA']);
    await call.done;
    expect(call.heads[0]?.fields).toEqual([
      'content-type',
      'application/grpc',
      'x-a',
      '1',
      'x-a',
      '2',
      'grpc-encoding',
      'gzip',
    ]);
    expect(call.trailers).toEqual(['grpc-status', '0', 'x-b-bin', 'AA']);
  });

  it('gRPC-Web says trailers in a last frame, keeping duplicates and binary values, dropping line breaks', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/grpc-web+json');
    const { reply } = onlyCall(edge);
    reply.head(HEAD);
    reply.write(frame('m'));
    reply.end(['grpc-status', '0', 'x-a', '1', 'x-a', '2', 'x-b-bin', 'AP8', 'x-evil', 'a\r\ngrpc-status:5']);
    await call.done;
    expect(call.trailers).toEqual([]);
    expect(getField(call.heads[0]?.fields ?? [], 'content-type')).toBe('application/grpc-web+json');
    const trailers = lastFrame(call.bytes(), 0x80) ?? new Uint8Array();
    expect(latin1(trailers)).toBe('grpc-status:0\r\nx-a:1\r\nx-a:2\r\nx-b-bin:AP8\r\n');
  });

  it('gRPC-Web in text is base64, chunk by chunk', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/grpc-web-text');
    const { reply } = onlyCall(edge);
    reply.head(HEAD);
    reply.write(frame('m'));
    reply.end(['grpc-status', '0']);
    await call.done;
    expect(call.chunks.map(latin1)).toEqual([
      'AAAAAAFt',
      Buffer.from(frame('grpc-status:0\r\n', 0x80)).toString('base64'),
    ]);
    expect(latin1(decodeChunks(call.bytes()).subarray(0, 6))).toBe('\0\0\0\0\x01m');
  });

  it('Connect streams end with JSON of error and metadata', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/connect+json');
    const { reply } = onlyCall(edge);
    reply.head({
      status: 200,
      fields: [...HEAD.fields, 'grpc-encoding', 'gzip', 'grpc-accept-encoding', 'gzip', 'x-a', '1'],
    });
    reply.end(['grpc-status', '9', 'grpc-message', 'gr%C3%BC', 'x-a', '1', '__proto__', 'p', 'x-a', '2']);
    await call.done;
    expect(call.heads[0]?.fields).toEqual(
      [
        ['content-type', 'application/connect+json', 'connect-content-encoding', 'gzip'],
        ['connect-accept-encoding', 'gzip', 'x-a', '1'],
      ].flat(),
    );
    const json = Buffer.from(lastFrame(call.bytes(), 0x02) ?? []).toString();
    expect(json).toBe(
      '{"error":{"code":"failed_precondition","message":"grü"},"metadata":{"x-a":["1","2"],"__proto__":["p"]}}',
    );
  });

  it('Connect unary says the message bare, its encoding, and trailers with a prefix', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/json; charset=utf-8', 'accept-encoding', 'gzip;q=1, br;q=0, *;q=0.1');
    const { reply, head } = onlyCall(edge);
    expect(getField(head.fields, 'grpc-accept-encoding')).toBe('gzip');
    reply.head({ status: 200, fields: [...HEAD.fields, 'grpc-encoding', 'gzip', 'x-a', '1'] });
    reply.write(frame('packed', 1));
    reply.end(['grpc-status', '0', 'x-b', '1', 'x-b', '2']);
    await call.done;
    expect(call.heads).toEqual([
      {
        status: 200,
        fields: [
          ['content-type', 'application/json', 'content-encoding', 'gzip', 'x-a', '1'],
          ['trailer-x-b', '1', 'trailer-x-b', '2', 'content-length', '6'],
        ].flat(),
      },
    ]);
    expect(latin1(call.bytes())).toBe('packed');
  });

  it('Connect unary does not say an encoding of messages that have none', async () => {
    for (const [message, flags] of [
      ['plain', 0],
      ['', 1],
    ] as const) {
      const edge = createEdge();
      const call = startAs(edge, 'application/proto');
      const { reply } = onlyCall(edge);
      reply.head({ status: 200, fields: [...HEAD.fields, 'grpc-encoding', 'gzip'] });
      reply.write(frame(message, flags));
      reply.end(['grpc-status', '0']);
      await call.done;
      expect(getAllFields(call.heads[0]?.fields ?? [], 'content-encoding')).toEqual([]);
      expect(latin1(call.bytes())).toBe(message);
    }
  });

  it.each([
    ['two messages', [frame('a'), frame('b')], 12],
    ['no message', [], 12],
    ['a compressed message without an encoding', [frame('a', 1)], 13],
    ['a message over the limit', [frame('x'.repeat(1001))], 8],
  ])('Connect unary refuses %s', async (_name, frames, code) => {
    const edge = createEdge();
    const call = startAs(edge, 'application/proto');
    const { reply } = onlyCall(edge);
    reply.head(HEAD);
    for (const bytes of frames) reply.write(bytes);
    reply.end(['grpc-status', '0']);
    await call.done;
    expect(readAnswer(call)).toMatchObject({ contentType: 'application/json', code });
  });

  it.each([
    [1, 499],
    [2, 500],
    [3, 400],
    [4, 504],
    [5, 404],
    [6, 409],
    [7, 403],
    [8, 429],
    [9, 400],
    [10, 409],
    [11, 400],
    [12, 501],
    [13, 500],
    [14, 503],
    [15, 500],
    [16, 401],
    [99, 500],
  ])('Connect unary says code %i by HTTP status %i', async (code, http) => {
    const edge = createEdge();
    const call = startAs(edge, 'application/proto');
    onlyCall(edge).reply.end(['grpc-status', String(code), 'x-why', 'w']);
    await call.done;
    expect(readAnswer(call)).toEqual({ http, contentType: 'application/json', code: code === 99 ? 2 : code });
    expect(getField(call.heads[0]?.fields ?? [], 'trailer-x-why')).toBe('w');
  });

  it.each([
    ['a path that nobody answers', callError(Code.unimplemented, 'who?', 'never-sent'), 404],
    ['a callee that does not know', callError(Code.unimplemented, 'what?'), 501],
  ])('Connect unary tells %s by its HTTP status', async (_name, error, http) => {
    const edge = createEdge();
    const call = startAs(edge, 'application/proto');
    onlyCall(edge).reply.fail(error);
    await call.done;
    expect(readAnswer(call)).toEqual({ http, contentType: 'application/json', code: 12 });
  });

  it.each([
    [100, { http: 200, code: 0 }],
    [101, { http: 429, code: 8 }],
  ])('Connect unary gets %i bytes where requests may have 10 and answers 100', async (length, answer) => {
    const edge = createEdge({ maxMessageBytes: 10, maxAnswerBytes: 100 });
    const call = startAs(edge, 'application/proto');
    const { reply } = onlyCall(edge);
    reply.head(HEAD);
    reply.write(frame('x'.repeat(length)));
    reply.end(['grpc-status', '0']);
    await call.done;
    expect(readAnswer(call)).toMatchObject(answer);
  });

  it('Connect GET hands the message of its query on', () => {
    const edge = createEdge();
    const query = '?connect=v1&base64=1&compression=gzip&encoding=proto&message=AP8_';
    const head = createHead({
      method: 'GET',
      path: `/test.v1.TestService/Get${query}`,
      fields: ['connect-timeout-ms', '70'],
    });
    const call = startCall(edge.service, head);
    call.body.end();
    const seen = onlyCall(edge);
    expect(Buffer.concat(seen.chunks)).toEqual(frame(Uint8Array.of(0, 255, 63), 1));
    expect(seen.ended).toBe(true);
    expect(seen.head).toMatchObject({ method: 'POST', path: '/test.v1.TestService/Get' });
    expect(seen.head.call.deadlineMs).toBe(570);
    expect(edge.violations).toEqual([]);
  });
});
