import { createTestAuthority } from '@bascule/testing/certificates';
import { describe, expect, it } from 'vitest';
import type { NodeTransportOptions } from '../../src/index.ts';
import { connect, type OurClient } from '../support/calls.ts';
import { seeError } from '../support/scenarios.ts';
import { startServer, type TestServer } from '../support/servers.ts';

const authority = createTestAuthority('one that is trusted');
const stranger = createTestAuthority('another');
const HERE = authority.issue(['localhost', '127.0.0.1']);

const at = (server: TestServer): string => `127.0.0.1:${new URL(server.url).port}`;

function connectTo(source: string, options: Partial<NodeTransportOptions> = {}): OurClient {
  return connect(undefined, { discovery: { sources: [source] }, connectWaitMs: 300, ...options });
}

async function fails(ours: OurClient): Promise<Record<string, unknown>> {
  return seeError(ours.client.say({ value: 'a' }));
}

describe('endpoints over TLS', () => {
  it.each([
    ['grpc', '2'],
    ['grpc-web', '1.1'],
    ['connect', '2'],
    ['connect', '1.1'],
  ] as const)('are all called so by who says how, each by its own name: %s over %s', async (protocol, httpVersion) => {
    await using server = await startServer(httpVersion, { tls: { ...HERE, ca: authority.cert } });
    const tls = { ca: authority.cert, ...authority.issue(['a caller']) };
    await using ours = connectTo(`static:${at(server)}`, { tls, protocol, httpVersion });
    expect((await ours.client.say({ value: 'a' })).value).toBe('a');
  });

  it('are called so that say it, and the others in the clear', async () => {
    await using secure = await startServer('2', { tls: HERE });
    await using clear = await startServer('2');
    await using ours = connectTo(`static:https://${at(secure)},${at(clear)}`, {
      baseUrl: 'http://places.internal',
      tls: { ca: authority.cert },
    });
    while (secure.probe.calls === 0 || clear.probe.calls === 0) await ours.client.say({ value: 'a' });
  });

  it('are not called in the clear by who said how TLS is spoken', async () => {
    await using clear = await startServer('2');
    await using ours = connectTo(`static:${at(clear)}`, { tls: { ca: authority.cert } });
    expect(await fails(ours)).toMatchObject({
      code: 'Unavailable',
      message: expect.stringContaining('TLS: ') as string,
    });
    expect(clear.probe.calls).toBe(0);
  });

  it.each([
    ['an authority that nobody trusts', stranger.issue(['127.0.0.1']), {}, /no authority that is trusted here/],
    ['another name', authority.issue(['elsewhere.internal']), {}, /not of 127\.0\.0\.1 but of DNS:elsewhere/],
    ['a name that was not asked for', HERE, { servername: 'elsewhere.internal' }, /not of elsewhere\.internal but of/],
    ['a time that is over', authority.issue(['127.0.0.1'], { isExpired: true }), {}, /has expired/],
  ])('are not called where the certificate is of %s, and calls say why', async (_title, pair, more, words) => {
    await using server = await startServer('2', { tls: pair });
    await using ours = connectTo(`static:${at(server)}`, { tls: { ca: authority.cert, ...more } });
    const failure = await fails(ours);
    expect(failure).toMatchObject({ code: 'Unavailable' });
    expect(failure['message']).toMatch(words);
    expect(server.probe.calls).toBe(0);
  });

  it('are called by a name that is an address, or an address that stands for another', async () => {
    const pair = authority.issue(['10.0.0.1']);
    await using server = await startServer('2', { tls: pair });
    await using ours = connectTo(`static:${at(server)}`, { tls: { ca: authority.cert, servername: '10.0.0.1' } });
    expect((await ours.client.say({ value: 'a' })).value).toBe('a');
  });

  it('are called with what the options say when the connection is opened', async () => {
    await using server = await startServer('2', { tls: HERE });
    let tls = { ca: stranger.cert };
    await using ours = connectTo(`static:${at(server)}`, { tls: () => tls, connectWaitMs: 5_000 });
    const first = ours.client.say({ value: 'a' });
    tls = { ca: authority.cert };
    expect((await first).value).toBe('a');
    // What stands goes on, whoever is trusted now.
    tls = { ca: stranger.cert };
    expect((await ours.client.say({ value: 'b' })).value).toBe('b');
  });

  it('fail calls, and nothing else, where the options cannot be used', async () => {
    await using server = await startServer('2', { tls: HERE });
    for (const protocol of ['grpc', 'connect'] as const) {
      for (const httpVersion of protocol === 'grpc' ? (['2'] as const) : (['2', '1.1'] as const)) {
        await using ours = connectTo(`static:${at(server)}`, {
          tls: () => ({ cert: 'certainly', key: 'none' }),
          protocol,
          httpVersion,
        });
        const failure = await fails(ours);
        expect(failure).toMatchObject({ code: 'Unavailable' });
        expect(failure['message']).toMatch(/the certificates of this link cannot be used/);
      }
    }
  });

  it.each([
    { kind: 'grpc', service: undefined, watch: false },
    { kind: 'grpc', service: undefined, watch: true },
    { kind: 'tcp' },
    { kind: 'http', path: '/', port: undefined },
  ] as const)('are checked over TLS: %o', async (probe) => {
    await using server = await startServer('2', { tls: stranger.issue(['127.0.0.1']) });
    const warnings: string[] = [];
    await using ours = connect(undefined, {
      discovery: {
        sources: [`static:${at(server)}`],
        healthCheck: { probe, intervalMs: 100 },
        onWarning: (message) => void warnings.push(message),
      },
      tls: { ca: authority.cert },
      connectWaitMs: 300,
    });
    const failure = await fails(ours);
    expect(failure['message']).toMatch(/TLS: no authority/);
  });
});
