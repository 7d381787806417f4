import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { EchoService } from './rig/echo-schema.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { startMoodWorld, type MoodWorld } from './rig/mood-world.ts';

const SERVICE = EchoService.typeName;

/** With a hundred different values, to which of the backends each goes. */
async function placesOf({ client }: MoodWorld): Promise<string[]> {
  return Promise.all(Array.from({ length: 100 }, async (_, i) => (await client.say({ value: `user-${i}` })).value));
}

describe.each([0, 2])('policies of calls with %i workers', { timeout: 30_000 }, (workers) => {
  it('keep calls of one message field at one endpoint, and move few when one leaves', async () => {
    const services = {
      [SERVICE]: {
        policy: 'POLICY_MAGLEV',
        methods: { Say: { affinity: { keys: [{ field: 'value' }] } } },
      },
    };
    await using world = await startMoodWorld({ workers, names: ['a', 'b', 'c'], config: { services } });
    const first = await placesOf(world);
    expect(new Set(first)).toEqual(new Set(['a', 'b', 'c']));
    expect(await placesOf(world)).toEqual(first);
    await world.moods[2]?.kill();
    await eventually(async () => expect(await placesOf(world)).not.toContain('c'));
    const after = await placesOf(world);
    const kept = first.filter((place, i) => place !== 'c' && place === after[i]);
    expect(kept.length / first.filter((place) => place !== 'c').length).toBeGreaterThan(0.8);
  });

  it('limit, delay and abort calls by the fields of routes, and take changes while they run', async () => {
    const routes = [
      {
        headers: { 'x-tier': 'free' },
        calls: { rateLimits: [{ perSecond: 0.01, burst: 2, key: { header: 'x-user' } }] },
      },
      { method: 'Say', headers: { 'x-broken': '*' }, calls: { fault: { abort: { percent: 100, code: 'data_loss' } } } },
    ];
    await using world = await startMoodWorld({ workers: 0, names: ['a'], config: { routes } });
    const { client } = world;
    const say = (headers: Record<string, string>) => client.say({ value: 'x' }, { headers });
    await say({ 'x-tier': 'free', 'x-user': 'one' });
    await say({ 'x-tier': 'free', 'x-user': 'one' });
    const limited = await failureOf(say({ 'x-tier': 'free', 'x-user': 'one' }));
    expect(limited.code).toBe(Code.ResourceExhausted);
    expect(limited.details.map((detail) => ('type' in detail ? detail.type : ''))).toEqual(['google.rpc.RetryInfo']);
    await say({ 'x-tier': 'free', 'x-user': 'two' });
    await say({ 'x-user': 'one' });
    expect((await failureOf(say({ 'x-broken': 'yes' }))).code).toBe(Code.DataLoss);

    // The bucket outlasts a change that is about something else.
    await world.configure({ routes: routes.slice(0, 1), calls: { maxTimeout: '60s' } });
    await say({ 'x-broken': 'yes' });
    expect((await failureOf(say({ 'x-tier': 'free', 'x-user': 'one' }))).code).toBe(Code.ResourceExhausted);
    await world.configure({});
    await say({ 'x-tier': 'free', 'x-user': 'one' });
  });
});
