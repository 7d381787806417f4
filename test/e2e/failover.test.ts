import { Code, createClient, type Client } from '@connectrpc/connect';
import type { EndpointView } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { describe, expect, it } from 'vitest';
import { PlacesService } from '../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { RankingService } from '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createBackends, startRegistryProcess, type Backends } from './rig/backends.ts';
import type { Child } from './rig/child.ts';
import { connectGrpcWeb } from './rig/dialects.ts';
import { eventually, pause } from './rig/eventually.ts';
import { makeFolder, type Folder } from './rig/folder.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';
import { startLoad, type Load } from './rig/load.ts';
import { listRegistered } from './rig/operator.ts';
import { freePorts } from '../support/src/servers/ports.ts';

const CALLERS = 48;
const NAMES = ['a', 'b', 'c'];

async function endpointsOf(gateway: TestGateway): Promise<EndpointView[]> {
  return (await gateway.operator.admin.listEndpoints({ service: PlacesService.typeName })).endpoints;
}

async function readyOf(gateway: TestGateway): Promise<string[]> {
  const ready = (await endpointsOf(gateway)).filter(({ state }) => state === 'ready');
  return ready.map(({ instanceId }) => instanceId);
}

/** Those that get calls, whether their source knows them or not. */
async function usedOf(gateway: TestGateway): Promise<string[]> {
  const used = (await endpointsOf(gateway)).filter(({ state }) => state === 'ready' || state === 'absent');
  return used.map(({ instanceId }) => instanceId);
}

/** Waits until the victim works on at least ten calls by its own word: with fewer the test would show nothing. */
async function untilLoaded({ backends }: World, load: Load, victim: string): Promise<void> {
  await eventually(async () => {
    const over = new Set(load.outcomes.map(({ callId }) => callId));
    const begun = (await backends.executed()).filter(({ instanceId }) => instanceId === victim);
    expect(begun.filter(({ callId }) => !over.has(callId)).length).toBeGreaterThanOrEqual(12);
  });
}

/** Waits for as many more calls as make sure that everybody is served again. */
async function untilMore(load: Load, calls = 3 * CALLERS): Promise<void> {
  const before = load.outcomes.length;
  await eventually(() => expect(load.outcomes.length).toBeGreaterThan(before + calls));
}

interface World extends AsyncDisposable {
  readonly folder: Folder;
  readonly gateway: TestGateway;
  readonly backends: Backends;
  readonly places: Client<typeof PlacesService>;
  readonly ranking: Client<typeof RankingService>;
  readonly children: Child[];
}

/** A gateway with three backend processes; `registry` says where they register in place of the gateway. */
async function startWorld(workers: number, registry?: { url: string; folder: Folder }): Promise<World> {
  const stack = new AsyncDisposableStack();
  const folder = registry?.folder ?? stack.use(await makeFolder());
  const at = registry === undefined ? {} : { registry: registry.url };
  const gateway = stack.use(await startTestGateway({ workers, folder, ...at }));
  const backends = stack.use(createBackends(folder, gateway.registry.url));
  const children = await Promise.all(NAMES.map((name) => backends.start(name)));
  const { transport } = stack.use(connectGrpcWeb(gateway.baseUrl));
  await eventually(async () => expect((await readyOf(gateway)).toSorted()).toEqual(NAMES));
  return {
    folder,
    gateway,
    backends,
    children,
    places: createClient(PlacesService, transport),
    ranking: createClient(RankingService, transport),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe.each([0, 2])('failover with %i workers', (workers) => {
  it('fails no idempotent call when a backend is killed, drops it within its lease, and takes it back', async () => {
    await using world = await startWorld(workers);
    const { gateway, places, backends, children } = world;
    const load = startLoad(CALLERS, (query) => places.search({ query }));
    await untilLoaded(world, load, 'b');
    await children[1]?.kill();
    await untilMore(load);
    expect(load.failures()).toEqual([]);
    // Out of the set, not only out of reach.
    await eventually(async () => {
      const names = (await endpointsOf(gateway)).map(({ instanceId }) => instanceId);
      expect(names.toSorted()).toEqual(['a', 'c']);
    });

    const executed = (await backends.executed()).filter(({ instanceId }) => instanceId === 'b').length;
    await backends.start('b');
    await eventually(async () => {
      const since = (await backends.executed()).filter(({ instanceId }) => instanceId === 'b').length;
      expect(since).toBeGreaterThan(executed + 10);
    });
    await load.stop();
    expect(load.failures()).toEqual([]);
  });

  it('fails only those calls that are not idempotent and in flight on the killed backend, executed once', async () => {
    await using world = await startWorld(workers);
    const { ranking, backends, children } = world;
    const load = startLoad(CALLERS, (callId) => ranking.vote({ callId }));
    await untilLoaded(world, load, 'b');
    await children[1]?.kill();
    await untilMore(load);
    await load.stop();
    const executed = await backends.executed();
    const onVictim = new Set(executed.filter(({ instanceId }) => instanceId === 'b').map(({ callId }) => callId));
    const failures = load.failures();
    expect(failures.length).toBeGreaterThanOrEqual(10);
    expect(failures.length).toBeLessThanOrEqual(CALLERS);
    for (const { callId, error } of failures) {
      expect(error?.code).toBe(Code.Unavailable);
      // Whatever failed may have been executed there, so it was executed nowhere else.
      expect(executed.filter((each) => each.callId === callId && each.instanceId !== 'b')).toEqual([]);
    }
    expect(failures.filter(({ callId }) => onVictim.has(callId)).length).toBeGreaterThanOrEqual(10);
    expect(new Set(executed.map(({ callId }) => callId)).size).toBe(executed.length);
  });

  it('fails no idempotent call when a backend stands still', async () => {
    await using world = await startWorld(workers);
    const { places, children } = world;
    const load = startLoad(CALLERS, (query) => places.search({ query }));
    await untilLoaded(world, load, 'b');
    const pid = children[1]?.pid as number;
    process.kill(pid, 'SIGSTOP');
    try {
      await untilMore(load);
      // Those that it had would else hang until their deadline, and fail.
      await load.stop();
      expect(load.failures()).toEqual([]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
  });

  it('fails no call when a backend stops gracefully', async () => {
    await using world = await startWorld(workers);
    const { gateway, places, ranking, children } = world;
    const load = startLoad(CALLERS / 2, (query) => places.search({ query }));
    const votes = startLoad(CALLERS / 2, (callId) => ranking.vote({ callId }));
    await untilMore(load);
    await children[2]?.stop();
    await eventually(async () => expect((await endpointsOf(gateway)).length).toBe(2));
    await untilMore(load);
    await Promise.all([load.stop(), votes.stop()]);
    expect([...load.failures(), ...votes.failures()]).toEqual([]);
    const samples = await gateway.operator.metrics();
    expect(
      samples.filter(
        ({ name, value, labels }) => name === 'bascule_retries_total' && labels['method'] === 'Vote' && value > 0,
      ),
    ).toEqual([]);
  });

  it('misses nothing while the registry is dead, nor when it starts anew and empty', async () => {
    await using folder = await makeFolder();
    const [port = 0] = await freePorts(1);
    const registry = await startRegistryProcess(folder, port);
    await using world = await startWorld(workers, { url: `http://127.0.0.1:${port}`, folder });
    const { gateway, places } = world;
    const load = startLoad(12, (query) => places.search({ query }));
    // Looks all the time: not for a moment may an endpoint be missing.
    const looking = new AbortController();
    const missing: string[][] = [];
    const look = async (): Promise<void> => {
      while (!looking.signal.aborted) {
        const used = await usedOf(gateway);
        if (used.length < NAMES.length) missing.push(used);
        await pause(30);
      }
    };
    const looks = look();
    await registry.kill();
    await eventually(async () => {
      // Longer than any lease lasts without a word.
      expect((await gateway.operator.admin.getStatus({})).discoveryStaleSeconds).toBeGreaterThan(2);
    });
    // What it said last counts, and of its source it is known that it is gone.
    expect((await readyOf(gateway)).toSorted()).toEqual(NAMES);
    expect((await gateway.operator.admin.listEndpoints({})).sources).toMatchObject([
      { name: gateway.registry.url, state: 'stale', endpoints: 3, error: expect.stringMatching(/./) },
    ]);
    const samples = await gateway.operator.metrics();
    expect(samples.find(({ name }) => name === 'bascule_discovery_stale_seconds')?.value).toBeGreaterThan(2);
    const ofSource = samples.filter(({ labels }) => labels['source'] === gateway.registry.url);
    expect(ofSource.find(({ name }) => name === 'bascule_discovery_source_connected')?.value).toBe(0);
    expect(ofSource.find(({ name }) => name === 'bascule_discovery_endpoints')?.value).toBe(3);

    await using again = await startRegistryProcess(folder, port);
    expect(again.pid).not.toBe(registry.pid);
    await eventually(async () => {
      expect((await gateway.operator.admin.getStatus({})).discoveryStaleSeconds).toBe(0);
      expect((await readyOf(gateway)).toSorted()).toEqual(NAMES);
    });
    await eventually(async () => {
      expect((await listRegistered(gateway.registry.url, gateway.token)).toSorted()).toEqual(NAMES);
    });
    looking.abort();
    await looks;
    // Registered again, and so taken out when it leaves.
    await world.children[0]?.kill();
    await eventually(async () => expect((await endpointsOf(gateway)).length).toBe(2));
    await load.stop();
    expect(load.failures()).toEqual([]);
    expect(missing).toEqual([]);
  });

  it('starts while the registry is dead, with what it knew last', async () => {
    await using folder = await makeFolder();
    const [port = 0] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const registry = await startRegistryProcess(folder, port);
    await using backends = createBackends(folder, url);
    {
      await using gateway = await startTestGateway({ workers, folder, registry: url });
      await Promise.all(NAMES.map((name) => backends.start(name)));
      await eventually(async () => expect((await readyOf(gateway)).toSorted()).toEqual(NAMES));
      await registry.kill();
    }
    await using gateway = await startTestGateway({ workers, folder, registry: url });
    using connected = connectGrpcWeb(gateway.baseUrl);
    const places = createClient(PlacesService, connected.transport);
    const queries = Array.from({ length: 30 }, (_, i) => `after-${i}`);
    const answered = new Set<string>();
    // Who is connected to first may answer the first of them alone.
    await eventually(async () => {
      const answers = await Promise.all(queries.map((query) => places.search({ query })));
      for (const { places: found } of answers) for (const { name } of found) answered.add(name);
      expect([...answered].toSorted()).toEqual(NAMES);
    });
    expect((await gateway.operator.admin.getStatus({})).discoveryStaleSeconds).toBeGreaterThan(0);
    const before = await endpointsOf(gateway);
    expect(before.map(({ state, source }) => `${state} ${source}`)).toEqual(NAMES.map(() => `absent ${url}`));
    expect(before.map(({ cause }) => cause)).toEqual(NAMES.map(() => expect.stringContaining('known from before')));
    // Said once, not at each try.
    const said = gateway.log.filter(({ message }) => message.includes('known last are used'));
    expect(said.map(({ level, message }) => `${level} ${message.replace(/\d+ s old/, 'N s old')}`)).toEqual([
      `warn source ${url} has not answered yet, so the 3 endpoints known last are used, N s old`,
    ]);
    await using _again = await startRegistryProcess(folder, port);
    await eventually(async () => {
      expect((await readyOf(gateway)).toSorted()).toEqual(NAMES);
    });
  });
});
