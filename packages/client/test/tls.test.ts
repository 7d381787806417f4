import { TEST_TLS } from '@bascule/testing/tls';
import { describe, expect, it } from 'vitest';
import type { Protocol } from '../src/index.ts';
import { connect } from './support/calls.ts';
import { seeError } from './support/scenarios.ts';
import { startServer, type HttpVersion } from './support/servers.ts';

const WAYS: readonly (readonly [Protocol, HttpVersion])[] = [
  ['grpc', '2'],
  ['grpc-web', '2'],
  ['connect', '2'],
  ['connect', '1.1'],
];

describe.each(WAYS)('%s over TLS, HTTP/%s', (protocol, httpVersion) => {
  it('calls a server whose authority it trusts', async () => {
    await using server = await startServer(httpVersion, { tls: TEST_TLS });
    await using ours = connect(server.url, { protocol, httpVersion, tls: { ca: TEST_TLS.cert } });
    expect((await ours.client.say({ value: 'a' })).value).toBe('a');
    expect((await ours.client.say({ value: 'b' })).value).toBe('b');
  });

  it('shows its certificate to a server that asks for one', async () => {
    await using server = await startServer(httpVersion, { tls: { ...TEST_TLS, ca: TEST_TLS.cert } });
    const tls = { ca: TEST_TLS.cert, cert: TEST_TLS.cert, key: TEST_TLS.key };
    await using ours = connect(server.url, { protocol, httpVersion, tls });
    expect((await ours.client.say({ value: 'a' })).value).toBe('a');
    await using stranger = connect(server.url, {
      protocol,
      httpVersion,
      tls: { ca: TEST_TLS.cert },
      connectWaitMs: 0,
    });
    expect((await seeError(stranger.client.say({ value: 'a' })))['code']).toBe('Unavailable');
    expect(server.probe.calls).toBe(1);
  });

  it('does not call a server that it does not trust', async () => {
    await using server = await startServer(httpVersion, { tls: TEST_TLS });
    await using ours = connect(server.url, { protocol, httpVersion, connectWaitMs: 0 });
    const seen = await seeError(ours.client.say({ value: 'a' }));
    expect(seen).toMatchObject({ code: 'Unavailable', message: expect.stringMatching(/TLS.*CERT/) as string });
    expect(server.probe.calls).toBe(0);
  });
});
