import { createNodeTransport, type NodeTransport } from '@bascule/client';
import { systemClock } from '@bascule/core';
import { createRedisLimits } from '@bascule/gateway';
import { Code, createClient } from '@connectrpc/connect';
import { canStart, startRedis } from '@bascule/testing/servers';
import { describe, expect, it } from 'vitest';
import { EchoService } from './rig/echo-schema.ts';
import { eventually } from './rig/eventually.ts';
import { startMoodWorld, type MoodWorld } from './rig/mood-world.ts';

const BURST = 10;

/** How many of so many calls are let through; all others must say why not. */
async function letThrough({ client }: Pick<MoodWorld, 'client'>, calls: number): Promise<number> {
  const ended = await Promise.allSettled(Array.from({ length: calls }, () => client.say({ value: 'x' })));
  const refused = ended.filter((result) => result.status === 'rejected');
  for (const { reason } of refused) expect(reason).toMatchObject({ code: Code.ResourceExhausted });
  return calls - refused.length;
}

/** Closes it with its scope. */
function stopping(transport: NodeTransport): { transport: NodeTransport } & AsyncDisposable {
  return { transport, [Symbol.asyncDispose]: () => transport.close() };
}

async function isUp({ gateway }: MoodWorld): Promise<number | undefined> {
  const samples = await gateway.operator.metrics();
  return samples.find(({ name }) => name === 'bascule_shared_limits_up')?.value;
}

describe.skipIf(!canStart('redis'))('a limit that two gateways share', () => {
  it('is kept by a program that calls without one too', async () => {
    const redis = await startRedis();
    const sharedLimits = createRedisLimits({ clock: systemClock, url: redis.url, timeoutMs: 2_000 });
    try {
      const rateLimits = [{ name: 'both', perSecond: 0.001, burst: BURST, shared: true }];
      const config = {
        sharedLimits: { url: redis.url, timeout: '2s' },
        services: { [EchoService.typeName]: { calls: { rateLimits } } },
      };
      await using world = await startMoodWorld({ workers: 0, names: ['a'], config });
      await using transport = stopping(
        createNodeTransport({
          discovery: { sources: [`static:${world.moods[0]?.address}`] },
          policy: { rateLimits },
          sharedLimits,
        }),
      );
      const program = { client: createClient(EchoService, transport.transport) };
      await eventually(async () => expect([await isUp(world), sharedLimits.state]).toEqual([1, 'up']));
      expect((await letThrough(program, 8)) + (await letThrough(world, 8))).toBe(BURST);
    } finally {
      sharedLimits.close();
      await redis.stop();
    }
  });

  it('is kept by both together, and by each alone while Redis is away', async () => {
    const redis = await startRedis();
    try {
      const rateLimits = [{ name: 'both', perSecond: 0.001, burst: BURST, shared: true }];
      const config = {
        sharedLimits: { url: redis.url, timeout: '2s' },
        services: { [EchoService.typeName]: { calls: { rateLimits } } },
      };
      await using one = await startMoodWorld({ workers: 0, names: ['a'], config });
      await using two = await startMoodWorld({ workers: 2, names: ['b'], config });
      // A gateway counts by itself until it has reached Redis.
      await eventually(async () => expect([await isUp(one), await isUp(two)]).toEqual([1, 2]));
      expect((await letThrough(one, 8)) + (await letThrough(two, 8))).toBe(BURST);

      await redis.kill();
      await eventually(async () => {
        // Nobody waits for it and nobody fails for it; how many are let through is for the buckets here to say.
        await letThrough(one, 1);
        expect(await isUp(one)).toBe(0);
      });
      await redis.restart();
      await eventually(async () => {
        await letThrough(one, 1);
        expect(await isUp(one)).toBe(1);
      });
    } finally {
      await redis.stop();
    }
  });
});
