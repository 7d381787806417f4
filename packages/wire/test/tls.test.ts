import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { createTestAuthority } from '@bascule/testing/certificates';
import { describe, expect, it, onTestFinished } from 'vitest';
import { TlsDialer, toTlsOptions, type LinkTls } from '../src/tls.ts';

const authority = createTestAuthority('trusted');
const HERE = authority.issue(['localhost']);

/** A server that tells of each connection whether it was resumed. */
async function startServer(options: TlsOptions): Promise<{ port: number; resumed: boolean[] }> {
  const resumed: boolean[] = [];
  const server: Server = createServer({ ...HERE, ...options, ALPNProtocols: ['h2'] }, (socket: TLSSocket) => {
    resumed.push(socket.isSessionReused());
    socket.on('error', () => undefined);
    socket.end('x');
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, resumed };
}

/** Opens a connection, reads it to its end, and gives what it failed with. */
async function use(dialer: TlsDialer): Promise<string | undefined> {
  let agreed = false;
  let failed: NodeJS.ErrnoException | undefined;
  const socket: Socket = dialer.connect({ onAgreed: () => (agreed = true) });
  onTestFinished(() => void socket.destroy());
  socket.resume();
  socket.on('error', (error) => (failed = error));
  await once(socket, 'close').catch(() => undefined);
  expect(agreed).toBe(failed === undefined);
  return failed?.code;
}

const dialerTo = (port: number, tls: LinkTls | (() => LinkTls), host = 'localhost'): TlsDialer =>
  new TlsDialer({ host, port, tls, protocol: 'h2' });

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a dialer by %s', (maxVersion) => {
  it('resumes what it has verified, until it trusts somebody else', async () => {
    const { port, resumed } = await startServer({ maxVersion });
    let tls: LinkTls = { ca: authority.cert };
    const dialer = dialerTo(port, () => tls);
    expect([await use(dialer), await use(dialer)]).toEqual([undefined, undefined]);
    expect(resumed).toEqual([false, true]);
    tls = { ca: createTestAuthority('other').cert };
    expect(await use(dialer)).toBe('UNABLE_TO_VERIFY_LEAF_SIGNATURE');
    tls = { ca: authority.cert };
    expect(await use(dialer)).toBeUndefined();
    expect(resumed.at(-1)).toBe(false);
  });

  it('resumes nothing of who bears another name, and refuses it again', async () => {
    const { port, resumed } = await startServer({ maxVersion, ...authority.issue(['elsewhere']) });
    const dialer = dialerTo(port, { ca: authority.cert });
    for (let i = 0; i < 3; i++) expect(await use(dialer)).toBe('ERR_TLS_CERT_ALTNAME_INVALID');
    expect(resumed.every((one) => !one)).toBe(true);
  });
});

describe('a dialer', () => {
  it('tells what cannot be used as an error of the connection', async () => {
    expect(await use(dialerTo(1, { cert: 'certainly', key: 'not' }))).toMatch(/ERR_OSSL/);
    const throwing = dialerTo(1, () => {
      throw Object.assign(new Error('no file'), { code: 'ENOENT' });
    });
    expect(await use(throwing)).toBe('ENOENT');
  });

  it('reads certificates once for all who use them', () => {
    const tls = { ca: authority.cert };
    const of = (host: string) => toTlsOptions({ host, port: 1, protocol: 'h2' }, tls);
    expect(of('a').secureContext).toBe(of('b').secureContext);
    expect([of('a.example').servername, of('10.0.0.1').servername, of('::1').servername]).toEqual([
      'a.example',
      undefined,
      undefined,
    ]);
  });
});
