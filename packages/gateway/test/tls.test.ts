import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { TEST_TLS } from '@bascule/testing/tls';
import { afterEach, describe, expect, test } from 'vitest';
import { startGateway, type Gateway } from '../src/index.ts';

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function start(tls: Record<string, string>, workers = 0): Promise<Gateway> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-tls-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'cert.pem'), TEST_TLS.cert);
  await writeFile(join(folder, 'key.pem'), TEST_TLS.key);
  const configFile = join(folder, 'bascule.yaml');
  const config = { listener: { port: 0, workers, tls }, operator: { port: 0 }, observe: { accessLog: 'off' } };
  await writeFile(configFile, JSON.stringify(config));
  const gateway = await startGateway({ configFile });
  cleanups.push(() => gateway.close());
  return gateway;
}

/** The protocol that both sides agreed on. */
async function agree(port: number, client: { cert?: string; key?: string } = {}): Promise<string | false | null> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    ca: TEST_TLS.cert,
    servername: 'localhost',
    ALPNProtocols: ['h2'],
    ...client,
  });
  cleanups.push(async () => socket.destroy());
  await once(socket, 'secureConnect');
  return socket.alpnProtocol;
}

describe('a gateway with listener.tls', () => {
  test.each([0, 2])('agrees on HTTP/2, with %s workers', async (workers) => {
    const { apiPort, apiScheme } = await start({ certFile: 'cert.pem', keyFile: 'key.pem' }, workers);
    expect(apiScheme).toBe('https');
    expect(await agree(apiPort)).toBe('h2');
  });

  test('lets in who shows a certificate of its authority, and nobody else', async () => {
    const { apiPort } = await start({ certFile: 'cert.pem', keyFile: 'key.pem', clientCaFile: 'cert.pem' });
    expect(await agree(apiPort, TEST_TLS)).toBe('h2');
    const stranger = connect({ port: apiPort, host: '127.0.0.1', ca: TEST_TLS.cert, servername: 'localhost' });
    const [error] = (await once(stranger, 'error')) as [NodeJS.ErrnoException];
    expect(error.code).toMatch(/CERTIFICATE_REQUIRED|ECONNRESET/);
  });

  test.each([
    [{ certFile: 'none.pem', keyFile: 'key.pem' }, /listener\.tls\.certFile: .*none\.pem cannot be read \(ENOENT\)/],
    [{ certFile: 'key.pem', keyFile: 'key.pem' }, /listener\.tls: certificate and key cannot be used/],
  ])('refuses files that cannot be used: %o', async (tls, message) => {
    await expect(start(tls)).rejects.toThrow(message);
  });
});
