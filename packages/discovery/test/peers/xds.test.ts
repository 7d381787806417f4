import { canJudge } from '@bascule/testing/go-tool';
import { startRelay } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCountingClock } from '../contract/counting-clock.ts';
import { SERVICE } from '../contract/endpoints.ts';
import { has, Opened, until } from './follow.ts';
import { startManagementServer, type ManagementServer, type XdsEndpoint } from './xds/management-server.ts';

const opened = new Opened();
afterEach(() => opened.closeAll());

/** Somebody at a port; nothing else is said. */
const at = (...ports: number[]): XdsEndpoint[] => ports.map((port) => ({ address: '10.0.0.1', port }));
const idsOf = (...ports: number[]): string[] => ports.map((port) => `10.0.0.1:${port}`);

describe.skipIf(!canJudge('xDS, by a management server of go-control-plane'))('xds', () => {
  let server: ManagementServer;

  beforeAll(async () => {
    server = await startManagementServer();
  }, 180_000);
  afterAll(() => server.stop());

  const urlOf = (path: string, address = server.address): string => `xds://${address}/${path}`;
  const lastRequest = () => server.requests.at(-1);

  it('reads what others say of their endpoints', async () => {
    const lb = { canary: true, stage: 'prod', shard: 7, deep: { no: 'label' } };
    await server.set({
      places: [
        {
          region: 'eu',
          zone: 'eu-1',
          priority: 1,
          endpoints: [
            { address: '10.0.0.1', port: 1, weight: 100_000, metadata: { 'envoy.lb': lb, istio: { workload: 'x' } } },
            { address: '10.0.0.1', port: 2, weight: 50_000, health: 'DRAINING' },
          ],
        },
        {
          region: 'us',
          endpoints: [
            { address: 'fd00::1', port: 3, health: 'TIMEOUT' },
            { address: '::ffff:10.0.0.1', port: 4, health: 'DEGRADED' },
            { address: 'backend.example', port: 5, health: 'UNHEALTHY' },
          ],
        },
      ],
    });
    const seen = await opened.follow(urlOf('places'));
    await until('all are told', () => seen.set.size === 5);
    const plain = { incarnation: 1, protocol: 'grpc', codecs: ['proto'], services: [SERVICE], moduleVersion: '' };
    expect(Object.fromEntries(seen.endpoints().map((endpoint) => [endpoint.instanceId, endpoint]))).toMatchObject({
      '10.0.0.1:1': {
        ...plain,
        host: '10.0.0.1',
        port: 1,
        weight: 65_535,
        priority: 1,
        zone: 'eu-1',
        labels: { canary: 'true', stage: 'prod', shard: '7' },
      },
      '10.0.0.1:2': { weight: 32_768, health: 'draining' },
      'fd00::1:3': { host: 'fd00::1', zone: 'us', priority: 0, weight: 1, health: 'failing' },
      '0::ffff:10.0.0.1:4': { host: '::ffff:10.0.0.1', labels: {} },
      'backend.example:5': { health: 'failing' },
    });
    expect(seen.set.get('0::ffff:10.0.0.1:4#1')?.health).toBeUndefined();
    expect([seen.broken, seen.warnings]).toEqual([[], []]);
  });

  it('subscribes by name, as who it is said to be, and accepts what is sound', async () => {
    await server.set(
      { one: [{ endpoints: at(1) }], two: [{ endpoints: at(2) }], other: [{ endpoints: at(3) }] },
      'v-a',
    );
    const seen = await opened.follow(urlOf('one,two%7Cx,two?node=gateway-7&nodeCluster=edge'));
    await has(seen, idsOf(1, 2));
    await until('it is accepted', () => lastRequest()?.version === 'v-a');
    expect(server.requests.slice(-2)).toMatchObject([
      { node: 'gateway-7', names: ['one', 'two|x', 'two'], version: '', nonce: '', error: '' },
      { node: 'gateway-7', names: ['one', 'two|x', 'two'], version: 'v-a', error: '' },
    ]);
    expect(lastRequest()?.nonce).not.toBe('');
  });

  it('speaks to the aggregated service as well', async () => {
    await server.set({ places: [{ endpoints: at(1) }] });
    const seen = await opened.follow(urlOf('places?ads=true'));
    await has(seen, idsOf(1));
    // Only the aggregated service knows from the request what is meant.
    expect(lastRequest()?.type).toBe('type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment');
    await server.set({ places: [{ endpoints: at(1, 2) }] });
    await has(seen, idsOf(1, 2));
  });

  it('refuses an answer with garbage in words, and uses what is good in it', async () => {
    await server.set({ places: [{ endpoints: at(1) }] }, 'v-1');
    const seen = await opened.follow(urlOf('places'));
    await has(seen, idsOf(1));
    const garbage = [{ pipe: '/run/socket' }, { address: 'no host!', port: 7 }, ...at(70_000)];
    await server.set({ places: [{ endpoints: [...at(1, 2), ...garbage] }] }, 'v-2');
    await has(seen, idsOf(1, 2));
    await until('it is refused', () => lastRequest()?.error !== '');
    // What was taken last is the version before, whose nonce it is not.
    expect(lastRequest()?.version).toBe('v-1');
    expect(lastRequest()?.error).toContain('cluster places: the record of "no host!:7" cannot be read');
    expect(lastRequest()?.error).toContain('it has no address and port');
    expect(seen.warnings).toHaveLength(3);
    await server.set({ places: [{ endpoints: at(2, 3) }] }, 'v-3');
    await has(seen, idsOf(2, 3));
    await until('it is accepted', () => lastRequest()?.version === 'v-3' && lastRequest()?.error === '');
    expect(seen.source.status().state).toBe('connected');
  });

  it('believes less at once, doubts most at once, and asks again', async () => {
    await server.set({ places: [{ endpoints: at(1, 2, 3, 4, 5) }] });
    const seen = await opened.follow(urlOf('places'), { clock: createCountingClock(20) });
    await has(seen, idsOf(1, 2, 3, 4, 5));
    await server.set({ places: [{ endpoints: at(1, 2, 3) }] });
    await has(seen, idsOf(1, 2, 3));
    const streams = lastRequest()?.stream;
    await server.set({ places: [{ endpoints: at(1) }] });
    await until('they are doubted', () => seen.doubted.size === 2);
    expect(seen.removals()).toHaveLength(2);
    await has(seen, idsOf(1));
    expect(lastRequest()?.stream).not.toBe(streams);
    expect(seen.statuses.map(({ state }) => state)).toEqual(['connecting', 'connected']);
  });

  it('doubts a cluster that consists of nobody, or is not told any more, and no other', async () => {
    await server.set({ one: [{ endpoints: at(1) }], two: [{ endpoints: at(2) }], three: [{ endpoints: at(3) }] });
    const seen = await opened.follow(urlOf('one,two,three'), { clock: createCountingClock(20) });
    await has(seen, idsOf(1, 2, 3));
    await server.set({ one: [{ endpoints: at(1) }], two: [] });
    await until('both are doubted', () => seen.doubted.size === 2);
    const stream = lastRequest()?.stream ?? 0;
    await until('it has asked again and again', () => (lastRequest()?.stream ?? 0) > stream + 4);
    expect([seen.doubted.has('10.0.0.1:1#1'), seen.removals(), seen.endpoints().length]).toEqual([false, [], 3]);
    await server.set({ one: [{ endpoints: at(1) }], two: [{ endpoints: at(2) }], three: [{ endpoints: at(3) }] });
    await until('they are back', () => seen.doubted.size === 0);
    expect(seen.broken).toEqual([]);
  });

  it('removes nobody while a server that was restarted gathers who is there, whatever its versions', async () => {
    await server.set({ places: [{ endpoints: at(1, 2, 3, 4) }] }, 'hash-a');
    const seen = await opened.follow(urlOf('places'));
    await has(seen, idsOf(1, 2, 3, 4));
    await server.restart({ empty: true });
    await server.set({ places: [{ endpoints: at(5) }] }, 'hash-b');
    await until('the first is told', () => seen.set.size === 5);
    // In the same stream, one by one: none of these says that another one has left.
    await server.set({ places: [{ endpoints: at(5, 1) }] }, 'hash-c');
    await server.set({ places: [{ endpoints: at(5, 1, 2) }] }, 'hash-d');
    await until('two are back', () => seen.doubted.size === 2);
    await server.set({ places: [{ endpoints: at(5, 1, 2, 3) }] }, 'hash-e');
    await until('three are back', () => seen.doubted.size === 1);
    expect([seen.removals(), seen.broken]).toEqual([[], []]);
  });

  it('never believes a server whose versions have gone back', async () => {
    await server.set({ places: [{ endpoints: at(1, 2, 3, 4) }] }, '900');
    const seen = await opened.follow(urlOf('places'), { clock: createCountingClock(20) });
    await has(seen, idsOf(1, 2, 3, 4));
    await server.restart({ empty: true });
    await server.set({ places: [{ endpoints: at(1, 2, 3) }] }, '7');
    await until('one is doubted', () => seen.doubted.size === 1);
    const stream = lastRequest()?.stream ?? 0;
    await until('it has asked again and again', () => (lastRequest()?.stream ?? 0) > stream + 4);
    expect([seen.removals(), seen.endpoints().length]).toEqual([[], 4]);
  });

  it('says that a server has nothing for it', async () => {
    const other = await startManagementServer();
    opened.add({ close: () => other.stop() });
    const seen = await opened.follow(urlOf('places?node=nobody', other.address), { clock: createCountingClock(50) });
    await until('it is told', () => seen.source.status().error !== undefined);
    expect(seen.source.status().error).toContain('does it know places, and node "nobody"?');
  });

  it('asks another server when one is lost', async () => {
    const [first, second] = [await startManagementServer(), await startManagementServer()];
    opened.add({ close: () => first.stop() });
    opened.add({ close: () => second.stop() });
    for (const one of [first, second]) await one.set({ places: [{ endpoints: at(1) }] });
    const seen = await opened.follow(urlOf('places', `${first.address},${second.address}`));
    await has(seen, idsOf(1));
    await first.kill();
    await second.set({ places: [{ endpoints: at(1, 2) }] });
    await has(seen, idsOf(1, 2));
    expect(seen.removals()).toEqual([]);
  });

  it('keeps who is there through a connection that is cut again and again', async () => {
    const relay = opened.add(await startRelay(server.port));
    await server.set({ places: [{ endpoints: at(1, 2, 3) }] });
    const seen = await opened.follow(urlOf('places', relay.address), { clock: createCountingClock(20) });
    await has(seen, idsOf(1, 2, 3));
    for (let cuts = 0; cuts < 5; cuts++) {
      await relay.cut();
      await until('it is noticed', () => seen.source.status().state === 'stale');
      await relay.restore();
      await until('it is connected', () => seen.source.status().state === 'connected');
    }
    expect([seen.log, seen.broken]).toEqual([idsOf(1, 2, 3).map((id) => `insert ${id}#1`), []]);
  });
});
