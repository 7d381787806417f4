import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createEdge, frame, latin1, outerViolations, readAnswer, startAs } from './support/callee.ts';

const STREAMED = ['application/grpc', 'application/grpc-web+proto', 'application/connect+proto'] as const;
const TRUNCATED_CODES = { 'application/grpc': 13, 'application/grpc-web+proto': 13, 'application/connect+proto': 3 };

describe('requests refused by their head', () => {
  it.each([
    ['application/grpc+xml', 'application/grpc'],
    ['application/grpc-unknown', 'application/grpc'],
    ['application/grpc-web+thrift', 'application/grpc-web'],
    ['application/grpc-web-text+xml', 'application/grpc-web-text'],
    ['application/connect+xml', 'application/json'],
  ])('%s is answered with 415', async (contentType, answered) => {
    const edge = createEdge();
    const call = startAs(edge, contentType);
    await call.done;
    expect(readAnswer(call)).toEqual({ http: 415, contentType: answered, code: 2 });
    expect(edge.calls).toEqual([]);
    expect(edge.violations).toEqual([]);
  });

  it.each(['text/plain', 'multipart/form-data; boundary=x', 'image/jpeg'])('%s is answered in text', async (type) => {
    const edge = createEdge();
    const call = startAs(edge, type);
    await call.done;
    expect(readAnswer(call)).toEqual({ http: 415, contentType: 'text/plain; charset=utf-8', code: undefined });
    expect(latin1(call.bytes())).toContain('send application/grpc');
    expect(edge.violations).toEqual([]);
  });

  it('image/jpeg from a caller that says Connect is answered in JSON', async () => {
    const call = startAs(createEdge(), 'image/jpeg', 'connect-protocol-version', '1');
    await call.done;
    expect(readAnswer(call)).toEqual({ http: 415, contentType: 'application/json', code: 2 });
  });

  it.each([
    ['GET', 'application/grpc'],
    ['PUT', 'application/grpc-web'],
    ['DELETE', 'application/connect+json'],
    ['PUT', 'application/json'],
    ['HEAD', 'text/plain'],
  ])('%s with %s is answered with 405 and Allow', async (method, contentType) => {
    const edge = createEdge();
    const call = startCall(edge.service, createHead({ method, fields: ['content-type', contentType] }));
    await call.done;
    expect(call.heads[0]?.status).toBe(405);
    expect(call.heads[0]?.fields.slice(-2)).toEqual(['allow', 'POST']);
    expect(edge.calls).toEqual([]);
  });

  it('GET without its query says what is missing', async () => {
    const edge = createEdge();
    const call = startCall(edge.service, createHead({ method: 'GET', path: '/test.v1.TestService/Get', fields: [] }));
    await call.done;
    expect(call.heads[0]?.status).toBe(405);
    expect(latin1(call.bytes())).toContain('a call by GET says encoding and message in its query');
  });

  it('GET is answered with 405 where a method may have side effects, whatever its query', async () => {
    const edge = createEdge();
    const path = '/test.v1.TestService/Unary?connect=v1&encoding=json&message=%7B%7D';
    const call = startCall(edge.service, createHead({ method: 'GET', path, fields: [] }));
    await call.done;
    expect(call.heads[0]?.status).toBe(405);
    expect(edge.calls).toEqual([]);
  });

  it.each([
    ['application/grpc', ['grpc-timeout', '123456789S'], 200, 13],
    ['application/grpc', ['grpc-timeout', '-1S'], 200, 13],
    ['application/grpc-web', ['grpc-timeout', '1'], 200, 13],
    ['application/grpc-web', ['grpc-timeout', 'S'], 200, 13],
    ['application/json', ['connect-timeout-ms', '12345678901'], 400, 3],
    ['application/json', ['connect-timeout-ms', '1e3'], 400, 3],
    ['application/connect+json', ['connect-timeout-ms', ''], 200, 3],
    ['application/json', ['connect-protocol-version', '2'], 400, 3],
    ['application/connect+json', ['connect-protocol-version', '2'], 200, 3],
    ['application/grpc-web', ['content-encoding', 'gzip'], 200, 12],
    ['application/connect+json', ['content-encoding', 'br'], 200, 12],
    ['application/proto', ['content-length', '1001'], 429, 8],
    ['application/proto', ['content-length', 'x'], 400, 3],
  ])('%s with %s', async (contentType, fields, http, code) => {
    const edge = createEdge();
    const call = startAs(edge, contentType, ...fields);
    await call.done;
    expect(readAnswer(call)).toMatchObject({ http, code });
    expect(edge.calls).toEqual([]);
    expect(edge.violations).toEqual([]);
  });

  it('notes the outcome of what it refuses', async () => {
    const edge = createEdge();
    const head = createHead({ fields: ['content-type', 'application/grpc', 'grpc-timeout', 'soon'] });
    const call = startCall(edge.service, head);
    await call.done;
    expect(head.call.dialect).toBe('grpc');
    expect(head.call.outcome).toMatchObject({ code: 13, by: 'wire' });
  });

  it('says nothing to a caller that gave up before the refusal', async () => {
    const edge = createEdge();
    const call = startAs(edge, 'application/grpc+xml');
    call.body.cancel('caller-gone');
    await Promise.resolve();
    expect(call.heads).toEqual([]);
    expect(edge.violations).toEqual([]);
  });
});

describe.each(STREAMED)('messages of %s', (contentType) => {
  const refusedAs = async (code: number, bytes: Uint8Array, ...fields: string[]): Promise<void> => {
    const edge = createEdge();
    const call = startAs(edge, contentType, ...fields);
    call.body.write(bytes);
    if (call.heads.length === 0) call.body.end();
    await call.done;
    expect(readAnswer(call)).toMatchObject({ http: 200, code });
    expect(edge.calls[0]?.cancelled).toBe('protocol-error');
    expect(edge.calls[0]?.ended).toBe(false);
    expect(edge.calls[0]?.head.call.outcome).toMatchObject({ code, by: 'wire' });
    expect(edge.violations).toEqual([]);
  };

  it('may be as large as the limit', () => {
    const edge = createEdge();
    const call = startAs(edge, contentType);
    const message = frame('x'.repeat(1000));
    call.body.write(message);
    call.body.end();
    expect(Buffer.concat(edge.calls[0]?.chunks ?? [])).toEqual(message);
    expect(edge.calls[0]?.ended).toBe(true);
  });

  it('are refused by their prefix when larger', () => refusedAs(8, frame('x'.repeat(1001)).subarray(0, 5)));
  it('are refused at length 0xFFFFFFFF', () => refusedAs(8, Uint8Array.of(0, 255, 255, 255, 255)));
  it.each([0x02, 0x03, 0x40, 0x80, 0x81, 0xff])('are refused with flags %i', (flags) =>
    refusedAs(13, frame('x', flags)),
  );
  it('are refused when compressed without an encoding', () => refusedAs(13, frame('x', 1)));
  it('are refused when cut in the prefix', () => refusedAs(TRUNCATED_CODES[contentType], frame('x').subarray(0, 3)));
  it('are refused when cut in the message', () => refusedAs(TRUNCATED_CODES[contentType], frame('xyz').subarray(0, 7)));
  it('are refused with garbage behind', () => refusedAs(13, Buffer.concat([frame('x'), Buffer.from('garbage')])));
  it('are refused when garbage', () => refusedAs(13, Buffer.from('GET / HTTP/1.1\r\n\r\n')));

  it('may be compressed when an encoding is declared', () => {
    const edge = createEdge();
    const name = contentType.includes('connect') ? 'connect-content-encoding' : 'grpc-encoding';
    const call = startAs(edge, contentType, name, 'gzip');
    call.body.write(frame('x', 1));
    expect(Buffer.concat(edge.calls[0]?.chunks ?? [])).toEqual(frame('x', 1));
    expect(edge.calls[0]?.head.fields).toEqual(expect.arrayContaining(['grpc-encoding', 'gzip']));
  });

  it('end an answer already begun with the error', async () => {
    const edge = createEdge();
    const call = startAs(edge, contentType);
    edge.calls[0]?.reply.head({ status: 200, fields: ['content-type', 'application/grpc'] });
    edge.calls[0]?.reply.write(frame('one'));
    call.body.write(Uint8Array.of(0, 255, 255, 255, 255));
    edge.calls[0]?.reply.end(['grpc-status', '0']);
    await call.done;
    expect(readAnswer(call).code).toBe(8);
    expect(latin1(call.bytes())).toContain('one');
    expect(outerViolations(edge)).toEqual([]);
  });
});

describe('text bodies', () => {
  const whole = Buffer.from(frame('m')).toString('base64');
  it.each([
    ['broken', 'AAAA!AAA'],
    ['garbage behind a message', `${whole}?`],
    ['cut in a group', `${whole}AA`],
    ['cut in its padding', 'AAAAAAFtbQ='],
    ['cut in a message', whole.slice(0, 4)],
  ])('%s are refused', async (_name, body) => {
    const edge = createEdge();
    const call = startAs(edge, 'application/grpc-web-text');
    call.body.write(Buffer.from(body));
    if (call.heads.length === 0) call.body.end();
    await call.done;
    expect(readAnswer(call)).toEqual({ http: 200, contentType: 'application/grpc-web-text', code: 13 });
    expect(edge.calls[0]?.cancelled).toBe('protocol-error');
    expect(edge.calls[0]?.ended).toBe(false);
    expect(edge.violations).toEqual([]);
  });
});

describe('Connect unary bodies', () => {
  it.each([[[]], [['content-length', '0']]])('are not marked as compressed when empty, with %j', (fields) => {
    const edge = createEdge();
    const call = startAs(edge, 'application/proto', 'content-encoding', 'gzip', ...fields);
    call.body.end();
    expect(Buffer.concat(edge.calls[0]?.chunks ?? [])).toEqual(frame(''));
    expect(edge.calls[0]?.ended).toBe(true);
  });

  it.each([
    ['larger than the limit, without content-length', [], 'x'.repeat(1001), 429, 8],
    ['shorter than content-length', ['content-length', '5'], 'xxxx', 400, 3],
    ['longer than content-length', ['content-length', '5'], 'xxxxxx', 400, 3],
  ])('%s', async (_name, fields, body, http, code) => {
    const edge = createEdge();
    const call = startAs(edge, 'application/json', ...fields);
    call.body.write(Buffer.from(body));
    if (call.heads.length === 0) call.body.end();
    await call.done;
    expect(readAnswer(call)).toMatchObject({ http, code });
    expect(edge.calls[0]?.cancelled).toBe('protocol-error');
    expect(edge.calls[0]?.ended).toBe(false);
    expect(edge.violations).toEqual([]);
  });

  it.each([
    ['without a message', '?connect=v1&encoding=json', 400],
    ['without an encoding', '?message=e30', 400],
    ['with an unknown encoding', '?encoding=xml&message=e30', 415],
    ['of another version', '?connect=v2&encoding=json&message=e30', 400],
    ['with a compression that is no name', '?encoding=json&compression=gzip%0d%0ax-admin:%201&message=e30', 400],
    ['with broken base64', '?encoding=json&base64=1&message=e', 400],
    ['with a broken escape', '?encoding=json&message=%2', 400],
    ['larger than the limit', `?encoding=json&message=${'x'.repeat(1001)}`, 429],
    ['with a longer path than 8 KiB', `?encoding=json&message=e30&pad=${'x'.repeat(8192)}`, 414],
  ])('GET %s', async (_name, query, http) => {
    const edge = createEdge();
    const call = startCall(
      edge.service,
      createHead({ method: 'GET', path: `/test.v1.TestService/Get${query}`, fields: [] }),
    );
    call.body.end();
    await call.done;
    expect(readAnswer(call).http).toBe(http);
    expect(edge.calls).toEqual([]);
  });

  it('GET with a body', async () => {
    const edge = createEdge();
    const path = '/test.v1.TestService/Get?encoding=json&message=%7B%7D';
    const call = startCall(edge.service, createHead({ method: 'GET', path, fields: [] }));
    call.body.write(Buffer.from('x'));
    await call.done;
    expect(readAnswer(call)).toMatchObject({ http: 400, code: 3 });
    expect(edge.calls[0]?.cancelled).toBe('protocol-error');
  });
});

describe('what is not RPC', () => {
  it.each([
    ['GET', '/', []],
    ['GET', '/assets/app.js', []],
    ['GET', '/healthz', []],
    ['POST', '/upload', ['content-type', 'application/json']],
    ['OPTIONS', '/test.v1.TestService/Unary', []],
  ])('%s %s goes on as it came', (method, path, fields) => {
    const edge = createEdge();
    const head = createHead({ method, path, fields });
    startCall(edge.service, head);
    expect(edge.others[0]?.head).toBe(head);
    expect(head.call.dialect).toBe('http');
  });
});
