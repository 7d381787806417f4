import { createRandom, sleep, systemClock, type Endpoint } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { canStart, startEtcd, startRelay, startZookeeper } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { formatRecord } from '../../src/peers/json-record.ts';
import { createCountingClock } from '../contract/counting-clock.ts';
import { createEndpoint } from '../contract/endpoints.ts';
import { createEtcdKeys } from './etcd-keys.ts';
import { Opened } from './follow.ts';
import { createZookeeperNodes } from './zookeeper-nodes.ts';

/** A system in which a walk writes past its source. */
interface Store {
  readonly port: number;
  urlAt(address: string, root: string): string;
  put(root: string, endpoint: Endpoint): Promise<void>;
  erase(root: string, endpoint: Endpoint): Promise<void>;
  /** Forgets what it need not know any more. */
  forget?(): Promise<void>;
  close(): Promise<void>;
}

async function openEtcd(): Promise<Store> {
  const server = await startEtcd();
  const keys = createEtcdKeys(server.url);
  return {
    port: server.port,
    urlAt: (address, root) => `etcd://${address}/${root}`,
    put: (root, endpoint) => keys.put(`${root}/endpoints/${endpoint.instanceId}`, formatRecord(endpoint)),
    erase: (root, { instanceId }) => keys.erase(`${root}/endpoints/${instanceId}`),
    async forget() {
      await keys.put('elsewhere', 'x');
      await keys.compact(await keys.revision());
    },
    close: () => server.stop(),
  };
}

async function openZookeeper(): Promise<Store> {
  const server = await startZookeeper();
  const nodes = createZookeeperNodes(server.address);
  return {
    port: server.port,
    urlAt: (address, root) => `zookeeper://${address}/${root}?sessionTimeoutMs=4000`,
    put: (root, endpoint) => nodes.put(`/${root}/endpoints/${endpoint.instanceId}`, formatRecord(endpoint)),
    erase: (root, { instanceId }) => nodes.erase(`/${root}/endpoints/${instanceId}`),
    async close() {
      await nodes.close();
      await server.stop();
    },
  };
}

const SYSTEMS = [
  { name: 'etcd', open: openEtcd },
  { name: 'zookeeper', open: openZookeeper },
] as const;

const STEPS = 120;
const IDS = 12;
const CUTS = 4;
/** Of time for the source, so that a walk need not wait as long as a source should between its attempts. */
const SPEED = 8;
const { seed, numRuns } = fuzzing(2);

describe.each(SYSTEMS.filter(({ name }) => canStart(name)))('a walk beside $name', ({ open }) => {
  const opened = new Opened();
  let store: Store;
  beforeAll(async () => {
    store = await open();
  });
  afterEach(() => opened.closeAll());
  afterAll(() => store.close());

  const seeds = Array.from({ length: numRuns }, (_, run) => seed + run);
  it.each(seeds)(
    'ends with exactly who is there, and loses nobody who stays (seed %i)',
    async (seed) => {
      const random = createRandom(seed);
      const pick = (count: number): number => Math.floor(random() * count);
      const root = `walk-${seed}`;
      const there = new Map<string, Endpoint>();
      const relay = opened.add(await startRelay(store.port));
      const put = async (number: number, overrides: Partial<Endpoint> = {}): Promise<void> => {
        const endpoint = createEndpoint(number, overrides);
        there.set(endpoint.instanceId, endpoint);
        await store.put(root, endpoint);
      };
      const steady = [90, 91, 92];
      for (const number of steady) await put(number);
      const seen = await opened.follow(store.urlAt(relay.address, root), { clock: createCountingClock(SPEED) });
      const steps: (() => Promise<void> | void)[] = [
        ...Array<() => Promise<void>>(8).fill(() => put(pick(IDS), { incarnation: 5 + pick(4), weight: pick(100) })),
        ...Array<() => Promise<void>>(6).fill(async () => {
          const endpoint = createEndpoint(pick(IDS));
          there.delete(endpoint.instanceId);
          await store.erase(root, endpoint);
        }),
        () => relay.cut(),
        () => relay.restore(),
        () => relay.restore(),
        () => relay.stall(),
        () => relay.unstall(),
        () => relay.unstall(),
        () => sleep(systemClock, pick(400)),
        () => relay.delay(pick(20)),
        () => store.forget?.(),
      ];
      for (let step = 0; step < STEPS; step++) await steps[pick(steps.length)]?.();
      relay.unstall();
      await relay.restore();
      const caughtUp = async (): Promise<void> => {
        const expected = [...there.values()].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1));
        await expect.poll(() => seen.told(), { interval: 20 }).toEqual(expected);
      };
      await caughtUp();
      // One change around each cut: nothing that comes later hides what was missed.
      for (let number = 0; number < CUTS; number++) {
        if (random() < 0.5) await relay.cut();
        await put(number, { incarnation: 20, weight: pick(100) });
        await sleep(systemClock, pick(20));
        await relay.cut();
        await relay.restore();
        await caughtUp();
      }
      const lost = seen.removals().filter((line) => steady.some((number) => line.includes(`places-${number}#`)));
      expect([lost, seen.broken, seen.warnings]).toEqual([[], [], []]);
    },
    fuzzTimeoutMs(60_000),
  );
});
