import { canJudge } from '@bascule/testing/go-tool';
import { serve } from '@bascule/server';
import { beforeAll, describe, expect, test } from 'vitest';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { startTestGateway } from '../e2e/rig/gateway.ts';
import { echoRoutes } from './echo-routes.ts';
import { buildGrpcGo, callWithGrpcGo, SEEN_BY_GRPC_GO, startGrpcGo } from './grpc-go.ts';

const go = canJudge('grpc-go as client and server');

/** Headers keep the values of one name joined. */
const OURS = { ...SEEN_BY_GRPC_GO, trailers: ['a, b'] };
const THEIRS = { ...SEEN_BY_GRPC_GO, trailers: ['a', 'b'], details: ['GONE'] };

describe.skipIf(!go)('grpc-go', { timeout: 240_000 }, () => {
  let program = '';
  beforeAll(async () => {
    program = await buildGrpcGo();
  }, 240_000);

  const endpoint = (port: number) => ({
    discovery: { endpoints: [{ address: `127.0.0.1:${port}`, services: [EchoService.typeName] }] },
  });

  test('its client calls our server', async () => {
    const server = await serve({ routes: echoRoutes });
    try {
      expect(await callWithGrpcGo(program, server.port)).toMatchObject(OURS);
    } finally {
      await server.close();
    }
  });

  test.each([0, 2])('its client calls our server through the gateway, with %s workers', async (workers) => {
    const server = await serve({ routes: echoRoutes });
    try {
      await using gateway = await startTestGateway({ workers, config: endpoint(server.port) });
      expect(await callWithGrpcGo(program, gateway.apiPort)).toMatchObject(OURS);
    } finally {
      await server.close();
    }
  });

  test('its client calls its server through the gateway', async () => {
    await using server = await startGrpcGo(program);
    await using gateway = await startTestGateway({ workers: 0, config: endpoint(server.port) });
    expect(await callWithGrpcGo(program, gateway.apiPort)).toMatchObject(THEIRS);
  });
});
