import { createLinks, createLoads } from '@bascule/client';
import { systemClock } from '@bascule/core';
import { endpointOf } from '@bascule/testing';
import { canJudge } from '@bascule/testing/go-tool';
import { beforeAll, describe, expect, test } from 'vitest';
import { buildGrpcGo, startGrpcGo } from './grpc-go.ts';

const go = canJudge('grpc-go as server of load reports');

describe.skipIf(!go)('load reports of grpc-go', { timeout: 240_000 }, () => {
  let program = '';
  beforeAll(async () => {
    program = await buildGrpcGo();
  }, 240_000);

  test('come when they are asked for, and do not hold up a server that stops', async () => {
    const server = await startGrpcGo(program);
    const retired = Promise.withResolvers<string>();
    const links = createLinks({ clock: systemClock, onRetired: (key) => retired.resolve(key) });
    const told = Promise.withResolvers<unknown>();
    const loads = createLoads(systemClock);
    const watch = loads.watcher((key, load) => told.resolve([key, load]));
    watch.configure(60_000);
    const endpoint = endpointOf({ port: server.port });
    const link = watch.watch(endpoint, links.open(endpoint));
    expect(await told.promise).toEqual(['places-1#1', { utilization: 0.75, qps: 1000, eps: 1 }]);
    expect(loads.recent(60_000)).toMatchObject([{ applicationUtilization: 0.75 }]);
    // It waits for its streams to end, without a limit.
    await server[Symbol.asyncDispose]();
    await link.close();
    expect(await retired.promise).toBe('places-1#1');
  });
});
