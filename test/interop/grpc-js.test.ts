import { serve } from '@bascule/server';
import { describe, expect, test } from 'vitest';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';
import { echoRoutes } from './echo-routes.ts';
import { callWithGrpcJs, SEEN_BY_GRPC_JS, startGrpcJs } from './grpc-js.ts';

const endpoint = (port: number) => ({
  discovery: { endpoints: [{ address: `127.0.0.1:${port}`, services: [EchoService.typeName] }] },
});

describe('grpc-js', () => {
  test('its client calls our server, alone and through the gateway', async () => {
    const server = await serve({ routes: echoRoutes });
    try {
      expect(await callWithGrpcJs(server.port)).toEqual(SEEN_BY_GRPC_JS);
      await using gateway = await startTestGateway({ workers: 0, config: endpoint(server.port) });
      expect(await callWithGrpcJs(gateway.apiPort)).toEqual(SEEN_BY_GRPC_JS);
    } finally {
      await server.close();
    }
  });

  test('its client calls its server through the gateway', async () => {
    await using server = await startGrpcJs();
    await using gateway = await startTestGateway({ workers: 0, config: endpoint(server.port) });
    expect(await callWithGrpcJs(gateway.apiPort)).toEqual(SEEN_BY_GRPC_JS);
  });
});
