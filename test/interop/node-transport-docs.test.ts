import { mkdtempSync, rmSync, unwatchFile, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestAuthority } from '@bascule/testing/certificates';
import { createClient, type Transport } from '@connectrpc/connect';
import { createRegistry } from '@bascule/discovery';
import { systemClock } from '@bascule/core';
import { serve, type ServeOptions } from '@bascule/server';
import { expect, it, onTestFinished } from 'vitest';
import { PlacesService } from '../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { examplesOf, root } from './docs-example.ts';

const writeExample = examplesOf('node-transport.md');

/** A server and the registry that knows it, by its URL; both end with the test, after what was begun behind them. */
async function startPlaces(tls?: ServeOptions['tls']): Promise<string> {
  const registry = createRegistry({ clock: systemClock });
  const registryServer = await serve({ routes: registry.routes, propagationMs: 0 });
  const registryUrl = `http://127.0.0.1:${registryServer.port}`;
  const server = await serve({
    routes: (router) => {
      router.service(PlacesService, { search: ({ query }) => ({ places: [{ name: `${query}oa` }] }) });
    },
    ...(tls && { tls }),
    registry: { url: registryUrl },
    propagationMs: 0,
  });
  onTestFinished(async () => {
    await server.close();
    await registryServer.close();
    registry.close();
  });
  await server.registered;
  return registryUrl;
}

it('the page of the Node transport shows calls that work', async () => {
  const registryUrl = await startPlaces();
  const example = writeExample('calls', 'found', { registryUrl, token: 'a token that nobody asks for' });
  const { found } = (await import(example)) as { found: { name: string }[] };
  expect(found.map(({ name }) => name)).toEqual(['lisboa']);
});

it('the page of the Node transport shows options that are taken', async () => {
  const { transport } = (await import(writeExample('treatment', 'transport'))) as {
    transport: { close(): Promise<void> };
  };
  await transport.close();
});

it('the page of the Node transport shows a store of limits', async () => {
  const example = writeExample('limits', 'transport, sharedLimits', { redisUrl: 'redis://127.0.0.1:1' });
  const { transport, sharedLimits } = (await import(example)) as {
    transport: { close(): Promise<void> };
    sharedLimits: { close(): void };
  };
  sharedLimits.close();
  await transport.close();
});

it('the page of the Node transport shows calls over TLS', async () => {
  const folder = mkdtempSync(join(root, 'node_modules', '.docs-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const authority = createTestAuthority('of the page');
  const ours = authority.issue(['a caller']);
  const files = { 'ca.pem': authority.cert, 'our.pem': ours.cert, 'our.key': ours.key };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const registryUrl = await startPlaces({ ...authority.issue(['127.0.0.1']), clientCa: authority.cert });
  const { transport } = (await import(writeExample('tls', 'transport', { folder, registryUrl }))) as {
    transport: Transport & { close(): Promise<void> };
  };
  onTestFinished(async () => {
    await transport.close();
    unwatchFile(join(folder, 'our.pem'));
  });
  const { places } = await createClient(PlacesService, transport).search({ query: 'lisb' });
  expect(places.map(({ name }) => name)).toEqual(['lisboa']);
});
