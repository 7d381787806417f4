import { canStart, startZookeeperEnsemble } from '@bascule/testing/servers';
import { afterEach, describe, expect, it } from 'vitest';
import { createEndpoint } from '../contract/endpoints.ts';
import { has, Opened, until } from './follow.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

describe.skipIf(!canStart('zookeeper'))('an ensemble of ZooKeeper', () => {
  it('loses nobody and no session when its leader dies, nor when it is down to one', async () => {
    await using ensemble = await startZookeeperEnsemble();
    const url = `zookeeper://${ensemble.members.map(({ address }) => address).join()}/c?sessionTimeoutMs=4000`;
    const registrars = await Promise.all([1, 2, 3].map((number) => opened.register(url, createEndpoint(number))));
    const seen = await opened.follow(url);
    await has(seen, ['places-1', 'places-2', 'places-3']);
    const leader = await ensemble.leader();
    await leader.kill();
    await opened.register(url, createEndpoint(4));
    await has(seen, ['places-1', 'places-2', 'places-3', 'places-4']);
    // A session that another server has taken over is the same one.
    expect(registrars.flatMap(({ events }) => events).filter(({ type }) => type === 'lease-lost')).toEqual([]);
    const [follower] = ensemble.members.filter((member) => member !== leader);
    await follower?.kill();
    await until('it is known to be away', () => seen.source.status().state === 'stale');
    expect([seen.endpoints().length, seen.removals()]).toEqual([4, []]);
    await Promise.all([leader.restart(), follower?.restart()]);
    await opened.register(url, createEndpoint(5));
    await until('who comes is seen', () => seen.set.has('places-5#7'));
    await registrars[0]?.registrar.close();
    await until('who left is gone', () => !seen.set.has('places-1#7'));
    await until('the others are there', () => seen.told().length === 4);
    expect(seen.broken).toEqual([]);
  });
});
