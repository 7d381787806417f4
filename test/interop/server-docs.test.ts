import { createNodeTransport } from '@bascule/client';
import { systemClock } from '@bascule/core';
import { createRegistry } from '@bascule/discovery';
import { serve, type Server } from '@bascule/server';
import { TEST_TLS } from '@bascule/testing/tls';
import { Code, createClient } from '@connectrpc/connect';
import { expect, it, onTestFinished } from 'vitest';
import { PlacesService } from '../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { examplesOf } from './docs-example.ts';

const writeExample = examplesOf('server.md');

it('the page of servers shows one that registers, and leaves', async () => {
  const registry = createRegistry({ clock: systemClock });
  const registryServer = await serve({ routes: registry.routes, propagationMs: 0 });
  onTestFinished(async () => {
    await registryServer.close();
    registry.close();
  });
  const registryUrl = `http://127.0.0.1:${registryServer.port}`;
  const given = { ...TEST_TLS, registryUrl, token: 'a token that nobody asks for', events: [] };
  const signals = process.listeners('SIGTERM');
  const example = await import(writeExample('service', 'server, events', given));
  const { server, events } = example as { server: Server; events: string[] };
  for (const listener of process.listeners('SIGTERM')) {
    if (!signals.includes(listener)) process.off('SIGTERM', listener);
  }
  const transport = createNodeTransport({ baseUrl: `https://localhost:${server.port}`, tls: { ca: TEST_TLS.cert } });
  const { places } = await createClient(PlacesService, transport).search({ query: 'lisb' });
  expect(places.map(({ name }) => name)).toEqual(['lisboa']);
  await transport.close();
  await server.close();
  expect(events).toEqual(['registered', 'deregistered', 'draining']);
});

it('the page of servers shows policies that hold', async () => {
  const example = await import(writeExample('policies', 'server, refused', { refused: [] }));
  const { server, refused } = example as { server: Server; refused: string[] };
  const transport = createNodeTransport({ baseUrl: `http://127.0.0.1:${server.port}` });
  onTestFinished(async () => {
    await transport.close();
    await server.close();
  });
  const client = createClient(PlacesService, transport);
  const search = (user: string) => client.search({ query: 'lisb' }, { headers: { 'x-user': user } });
  for (let i = 0; i < 3; i++) await search('ann');
  await expect(search('ann')).rejects.toMatchObject({ code: Code.ResourceExhausted });
  await search('bob');
  expect(refused).toEqual(['Search: rate-limit demo.places.v1.PlacesService/Search#0']);
});
