import { once } from 'node:events';
import { createServer as createHttp } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { createVirtualClock, systemClock, type Link } from '@bascule/core';
import { endpointOf } from '@bascule/testing';
import { createTestAuthority } from '@bascule/testing/certificates';
import { listen } from '@bascule/wire';
import { describe, expect, it, onTestFinished } from 'vitest';
import { tlsOfEndpoint, type EndpointTls } from '../../src/channel/endpoint-tls.ts';
import { createLinks } from '../../src/channel/links.ts';
import { createEndpointProbes } from '../../src/discovery/probes.ts';

const authority = createTestAuthority('trusted');
const stranger = createTestAuthority('not trusted');
const HERE = authority.issue(['127.0.0.1']);

function named(name: string, more: Partial<EndpointTls> = {}): EndpointTls {
  return { name, required: false, current: () => ({ ca: authority.cert }), ...more };
}

async function startSecure(): Promise<number> {
  const service = () => expect.unreachable();
  const listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service, tls: HERE });
  onTestFinished(() => listener.close(0));
  return listener.port;
}

async function ready(link: Link): Promise<void> {
  if (!link.isReady()) await new Promise<void>((resolve) => link.onReadyChange((is) => is && resolve()));
}

describe('an endpoint', () => {
  it.each<[string, boolean | undefined, EndpointTls | undefined, string | undefined]>([
    ['says nothing, nor does anybody of it', undefined, undefined, undefined],
    ['says that it speaks TLS', true, undefined, 'default'],
    ['says it, and somebody says how', true, named('a'), 'a'],
    ['says nothing, and TLS is required', undefined, named('a', { required: true }), 'a'],
    ['says that it does not, and TLS is required', false, named('a', { required: true }), 'a'],
    ['says nothing, and TLS is not required', undefined, named('a'), undefined],
  ])('that %s', (_title, tls, set, name) => {
    expect(tlsOfEndpoint(endpointOf(tls === undefined ? {} : { tls }), set)?.name).toBe(name);
  });

  it('that is a module version has no TLS', () => {
    expect(tlsOfEndpoint(endpointOf({ protocol: 'port' }), named('a', { required: true }))).toBeUndefined();
  });
});

describe('links over TLS', () => {
  it('are shared by those who reach an endpoint in the same way, and by no others', async () => {
    const port = await startSecure();
    const links = createLinks({ clock: systemClock, onRetired: () => undefined });
    onTestFinished(() => links.destroy());
    const endpoint = endpointOf({ host: '127.0.0.1', port, tls: true });
    const good = [links.open(endpoint, named('a')), links.open(endpoint, named('a'))];
    const bad = links.open(endpoint, named('b', { current: () => ({ ca: stranger.cert }) }));
    const problem = new Promise<void>((resolve) => {
      const timer = setInterval(() => bad.problem?.() && resolve(), 5);
      onTestFinished(() => clearInterval(timer));
    });
    await Promise.all(good.map(ready));
    await problem;
    expect(good[0]?.service).toBe(good[1]?.service);
    expect(bad.service).not.toBe(good[0]?.service);
    expect(bad.isReady()).toBe(false);
    expect(bad.problem?.()).toContain('no authority that is trusted here');
  });

  it.each(['grpc', 'connect+http1'] as const)('are tried again when told to, without a wait: %s', async (protocol) => {
    const port = await startSecure();
    // Its time stands still: only who is told tries again.
    const links = createLinks({ clock: createVirtualClock(), onRetired: () => undefined });
    onTestFinished(() => links.destroy());
    let ca = stranger.cert;
    const tls = named('a', { required: true, current: () => ({ ca }) });
    const link = links.open(endpointOf({ host: '127.0.0.1', port, protocol }), tls);
    if (protocol === 'grpc') await expect.poll(() => link.problem?.()).toMatch(/no authority/);
    else {
      const failed = Promise.withResolvers<string>();
      const head = { method: 'POST', path: '/a.B/C', authority: '', scheme: 'http', fields: [] } as never;
      const nothing = (): void => undefined;
      const call = { cluster: 'a.B', method: undefined, deadlineMs: undefined };
      link
        .service({ ...(head as object), call } as never, {
          head: nothing,
          write: nothing,
          end: nothing,
          grant: nothing,
          fail: ({ message }) => failed.resolve(message),
        })
        .end();
      expect(await failed.promise).toMatch(/no authority/);
      expect(link.isReady()).toBe(false);
    }
    ca = authority.cert;
    links.retry('b');
    expect(link.isReady()).toBe(false);
    links.retry('a');
    await ready(link);
    expect(link.problem?.()).toBe('');
  });
});

describe('probes', () => {
  it('by HTTP go in the clear to another port, unless they say otherwise', async () => {
    const plain = createHttp((_request, response) => response.end());
    const silent = createServer((socket) => socket.on('error', () => undefined).end());
    for (const server of [plain, silent]) {
      server.listen(0, '127.0.0.1');
      onTestFinished(() => void server.close());
      await once(server, 'listening');
    }
    const probes = createEndpointProbes(systemClock, (endpoint) => tlsOfEndpoint(endpoint, named('a')));
    const endpoint = endpointOf({ host: '127.0.0.1', port: await startSecure(), tls: true });
    const { port } = plain.address() as AddressInfo;
    const { signal } = new AbortController();
    await probes.http(endpoint, { path: '/', port }, signal);
    const asked = probes.http(endpointOf({ host: '127.0.0.1', port }), { path: '/', port, tls: true }, signal);
    await expect(asked).rejects.toThrow(/TLS: /);
    await probes.tcp(endpoint, signal);
    const closed = endpointOf({ host: '127.0.0.1', port: (silent.address() as AddressInfo).port, tls: true });
    await expect(probes.tcp(closed, signal)).rejects.toThrow(/TLS: the backend ended the handshake/);
  });
});
