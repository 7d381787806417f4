import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaOf } from '@bascule/schema';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { canJudge } from '@bascule/testing/go-tool';
import { beforeAll, describe, expect, test } from 'vitest';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { startTestGateway, type TestGateway } from '../e2e/rig/gateway.ts';
import { buildGrpcGo, callWithGrpcGo, SEEN_BY_GRPC_GO, startGrpcGo } from './grpc-go.ts';

const go = canJudge('a backend of grpc-go that registers by itself');

describe.skipIf(!go)('a backend of grpc-go', { timeout: 240_000 }, () => {
  let program = '';
  beforeAll(async () => {
    program = await buildGrpcGo();
  }, 240_000);

  async function registrationAt(gateway: TestGateway) {
    const descriptors = join(gateway.stateDir, 'registry.binpb');
    await writeFile(descriptors, schemaOf([RegistryService]));
    const { token, operatorPort } = gateway;
    return { registry: `127.0.0.1:${operatorPort}`, token, descriptors, instanceId: 'echo-go' };
  }

  const statesOf = async (gateway: TestGateway): Promise<string[]> => {
    const { endpoints } = await gateway.operator.admin.listEndpoints({});
    const ours = endpoints.filter(({ services }) => services.includes(EchoService.typeName));
    return ours.map(({ instanceId, state }) => `${instanceId} ${state}`);
  };
  const causesOf = async (gateway: TestGateway): Promise<string[]> => {
    const { removals } = await gateway.operator.admin.listEndpoints({});
    return removals.map(({ instanceId, cause }) => `${instanceId} ${cause}`);
  };

  test('registers, is called, and deregisters', async () => {
    await using gateway = await startTestGateway({ workers: 0 });
    {
      await using _server = await startGrpcGo(program, await registrationAt(gateway));
      await expect.poll(() => statesOf(gateway)).toEqual(['echo-go ready']);
      expect(await callWithGrpcGo(program, gateway.apiPort)).toMatchObject(SEEN_BY_GRPC_GO);
    }
    await expect.poll(() => statesOf(gateway)).toEqual([]);
    expect(await causesOf(gateway)).toEqual(['echo-go deregistered']);
  });

  test('keeps its lease over one stream, and loses it when it is killed', async () => {
    await using gateway = await startTestGateway({ workers: 0 });
    await using server = await startGrpcGo(program, await registrationAt(gateway));
    // Beyond its TTL of 3 s only renewals keep it.
    const { operator } = gateway;
    await expect.poll(() => statesOf(gateway)).toEqual(['echo-go ready']);
    const { endpoints } = await operator.admin.listEndpoints({});
    await expect
      .poll(async () => Date.now() - Number(endpoints[0]?.incarnation ?? 0n), { timeout: 20_000 })
      .toBeGreaterThan(5_000);
    expect(await statesOf(gateway)).toEqual(['echo-go ready']);
    server.kill();
    await expect.poll(() => causesOf(gateway), { timeout: 20_000 }).toEqual(['echo-go lease-expired']);
  });
});
