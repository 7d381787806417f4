import { createHead, startCall } from '@bascule/testing';
import { describe, expect, it } from 'vitest';
import { createEdge, onlyCall, startAs } from './support/callee.ts';

describe('fields of a request', () => {
  it('keep order, duplicates and binary values, and lose those of the hop and the dialect', () => {
    const edge = createEdge();
    const call = startCall(
      edge.service,
      createHead({
        path: '/test.v1.TestService/Unary?token=1',
        fields: [
          ['host', 'a', 'x-a', '1', 'content-type', 'application/grpc-web+proto', 'x-b-bin', 'AP8=', 'x-a', '2'],
          ['connection', 'keep-alive', 'keep-alive', '5', 'te', 'gzip', 'transfer-encoding', 'chunked'],
          ['content-length', '5', 'accept', '*/*', 'accept-encoding', 'gzip, br', 'x-grpc-web', '1'],
          ['x-user-agent', 'grpc-web-js', 'cookie', 'a=1', 'cookie', 'b=2', 'grpc-timeout', '2S', 'upgrade', 'h2c'],
          ['grpc-encoding', 'gzip', 'grpc-accept-encoding', 'gzip', 'grpc-accept-encoding', 'br'],
          ['connect-protocol-version', '9', 'grpc-trace-bin', 'AA', 'authorization', 'Bearer x'],
        ].flat(),
      }),
    );
    const { head } = onlyCall(edge);
    expect(head.fields).toEqual(
      [
        ['content-type', 'application/grpc+proto', 'te', 'trailers', 'x-a', '1', 'x-b-bin', 'AP8=', 'x-a', '2'],
        ['x-user-agent', 'grpc-web-js', 'cookie', 'a=1', 'cookie', 'b=2', 'grpc-trace-bin', 'AA'],
        ['authorization', 'Bearer x', 'grpc-encoding', 'gzip', 'grpc-accept-encoding', 'gzip,br'],
        ['x-forwarded-for', head.call.peer],
      ].flat(),
    );
    expect(head).toMatchObject({ method: 'POST', path: '/test.v1.TestService/Unary', authority: 'test.local' });
    expect(head.call.dialect).toBe('grpc-web');
    expect(head.call.deadlineMs).toBe(2500);
    call.body.cancel('caller-gone');
  });

  it('by which we speak to callees are not taken from callers', () => {
    const edge = createEdge();
    const forged = [
      'bascule-identity',
      'root',
      'grpc-status',
      '0',
      'grpc-previous-rpc-attempts',
      '3',
      ':status',
      '200',
    ];
    startAs(edge, 'application/grpc', ...forged, 'grpc-message', 'x', 'baskets', '2');
    const { head } = onlyCall(edge);
    const ours = ['x-forwarded-for', head.call.peer];
    expect(head.fields).toEqual(['content-type', 'application/grpc', 'te', 'trailers', 'baskets', '2', ...ours]);
  });

  it('say where it came from by its socket, whatever the caller says', () => {
    const edge = createEdge();
    const forged = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'x-real-ip'];
    startAs(edge, 'application/json', ...forged.flatMap((name) => [name, '6.6.6.6']), 'connection', 'x-forwarded-for');
    const { head } = onlyCall(edge);
    expect(head.call.peer).not.toBe('');
    expect(head.fields).toEqual([
      'content-type',
      'application/grpc+json',
      'te',
      'trailers',
      'x-forwarded-for',
      head.call.peer,
    ]);
  });

  it('named by connection go no further, but ours stay', () => {
    const edge = createEdge();
    const fields = ['x-hop', '1', 'x-end', '2', 'connection', 'close, X-Hop, content-type, te, grpc-encoding'];
    startAs(edge, 'application/grpc', ...fields);
    const { head } = onlyCall(edge);
    const ours = ['x-forwarded-for', head.call.peer];
    expect(head.fields).toEqual(['content-type', 'application/grpc', 'te', 'trailers', 'x-end', '2', ...ours]);
  });

  it.each([
    ['application/grpc', 'grpc', 'application/grpc'],
    ['Application/GRPC+JSON ; charset=utf-8', 'grpc', 'application/grpc+json'],
    ['application/grpc-web-text+proto', 'grpc-web-text', 'application/grpc+proto'],
    ['application/connect+json', 'connect-stream', 'application/grpc+json'],
    ['application/json;charset=utf-8', 'connect', 'application/grpc+json'],
  ])('%s is %s', (contentType, dialect, inner) => {
    const edge = createEdge();
    startAs(edge, contentType);
    expect(onlyCall(edge).head.call.dialect).toBe(dialect);
    expect(onlyCall(edge).head.fields.slice(0, 2)).toEqual(['content-type', inner]);
    expect(onlyCall(edge).head.call.deadlineMs).toBeUndefined();
  });

  it('remember no more content types than a bound, and still read them', () => {
    const edge = createEdge();
    for (let i = 0; i < 600; i++) startAs(edge, `application/grpc;n=${i}`);
    expect(edge.calls.length).toBe(600);
  });
});
