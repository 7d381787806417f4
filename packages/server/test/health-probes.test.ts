import { createNodeTransport } from '@bascule/client';
import { systemClock, type Endpoint } from '@bascule/core';
import { createProbes } from '@bascule/discovery';
import { serve } from '@bascule/server';
import { expect, it } from 'vitest';

const probes = createProbes({
  dial: ({ host, port }) =>
    createNodeTransport({ baseUrl: `http://${host}:${port}`, clock: systemClock, connectWaitMs: 0 }),
});

it('a server of ours says that it is well until it drains, and ends who watches it', async () => {
  const server = await serve({ routes: () => undefined, introspection: true, propagationMs: 50 });
  const endpoint: Endpoint = {
    instanceId: 'a',
    incarnation: 1,
    host: '127.0.0.1',
    port: server.port,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: 1,
    priority: 0,
    zone: '',
    services: [],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
  };
  const never = new AbortController().signal;
  await probes.tcp(endpoint, never);
  await probes.grpc(endpoint, { service: '' }, never);
  await expect(probes.grpc(endpoint, { service: 'not.Here' }, never)).rejects.toThrow('does not know the service');
  const told: (string | undefined)[] = [];
  const watch = probes.watchGrpc(endpoint, { service: '', onStatus: (why) => void told.push(why) }, never);
  const ended = expect(watch).rejects.toThrow('the server is closing');
  await expect.poll(() => told).toEqual([undefined]);
  await server.close();
  await ended;
  expect(told).toEqual([undefined, 'it says NOT_SERVING']);
  await expect(probes.tcp(endpoint, never)).rejects.toThrow('connection refused');
});
