import { getField, systemClock, type RequestHead, type Service } from '@bascule/core';
import { createHead, startCall } from '@bascule/testing';
import { createDialectLayer, listen } from '@bascule/wire';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createLinks } from '../../src/channel/links.ts';
import { endpointOf } from '@bascule/testing';

/** Sends each message back, and keeps the heads it got. */
function createEcho(): { service: Service; heads: RequestHead[] } {
  const heads: RequestHead[] = [];
  return {
    heads,
    service(head, reply) {
      heads.push(head);
      const chunks: Buffer[] = [];
      return {
        write(bytes) {
          chunks.push(Buffer.from(bytes));
          reply.grant(bytes.length);
        },
        end() {
          reply.head({
            status: 200,
            fields: ['content-type', getField(head.fields, 'content-type') ?? '', 'x-a', '1'],
          });
          reply.write(Buffer.concat(chunks));
          reply.end(['grpc-status', '0', 'x-b', '2']);
        },
        cancel() {},
        grant() {},
      };
    },
  };
}

const MESSAGE = Uint8Array.of(0, 0, 0, 0, 3, 1, 2, 3);

describe('the link of an endpoint', () => {
  it.each([
    ['grpc', 'grpc', '2'],
    ['grpc-web', 'grpc-web', '2'],
    ['grpc-web+http1', 'grpc-web', '1.1'],
    ['connect', 'connect', '2'],
    ['connect+http1', 'connect', '1.1'],
  ] as const)('of protocol %s speaks %s over HTTP/%s', async (protocol, dialect, httpVersion) => {
    const echo = createEcho();
    const refusing: Service = () => expect.unreachable();
    const layer = createDialectLayer({ maxMessageBytes: 1000, clock: systemClock, other: refusing });
    const listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service: layer(echo.service) });
    onTestFinished(() => listener.close(0));
    const retired = Promise.withResolvers<string>();
    const links = createLinks({ clock: systemClock, onRetired: retired.resolve });
    const link = links.open(endpointOf({ port: listener.port, protocol }));
    const head = createHead();
    head.call.method = { service: 'test.v1.TestService', method: 'Unary', kind: 'unary', idempotency: 'unknown' };
    const call = startCall(link.service, head);
    call.body.write(MESSAGE);
    call.body.end();
    await call.done;
    expect([call.error, call.bytes()]).toEqual([undefined, MESSAGE]);
    expect(getField(call.heads[0]?.fields ?? [], 'x-a')).toBe('1');
    expect([getField(call.trailers ?? [], 'grpc-status'), getField(call.trailers ?? [], 'x-b')]).toEqual(['0', '2']);
    expect(echo.heads[0]?.call).toMatchObject({ dialect, httpVersion });
    expect(link.isReady()).toBe(true);
    await link.close();
    expect(await retired.promise).toBe('places-1#1');
  });

  it('to a module version that has ended is never ready', async () => {
    const links = createLinks({ clock: systemClock, onRetired: () => undefined });
    const link = links.open(endpointOf({ protocol: 'port' }));
    const call = startCall(link.service);
    await call.done;
    expect([link.isReady(), call.error?.processed]).toEqual([false, 'never-sent']);
    links.destroy();
  });
});
