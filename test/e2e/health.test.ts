import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, createClient } from '@connectrpc/connect';
import type { ListEndpointsResponse } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { describe, expect, it } from 'vitest';
import { connectGrpc } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { listOf, statesOf, untilMore, viewOf } from './rig/endpoints.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway } from './rig/gateway.ts';
import { startLoad, type Load } from './rig/load.ts';
import { startMoody, type Moody } from './rig/moody.ts';
import { connectOperator, type Operator } from './rig/operator.ts';

const SERVICE = EchoService.typeName;

/** Waits until the threads send a backend nothing any more, and gives what it has answered until then. */
async function untilQuiet(moody: Moody, load: Load): Promise<number> {
  return eventually(async () => {
    const { calls } = moody;
    await untilMore(load);
    expect(moody.calls).toBe(calls);
    return calls;
  });
}

/** A gateway whose configuration holds these backends, with a client of it. */
async function startWithMoods(workers: number, names: readonly string[], policy: object, calls: object = {}) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const moods = await Promise.all(names.map(async (name) => stack.use(await startMoody(name))));
  await writeFile(join(folder.path, 'echo.binpb'), (moods[0] as Moody).schema);
  const endpoints = moods.map(({ address }) => ({ address, services: [SERVICE], schema: 'echo.binpb' }));
  const config = { calls, discovery: { endpoints }, services: { '*': policy } };
  const gateway = stack.use(await startTestGateway({ workers, folder, config }));
  const { transport } = stack.use(connectGrpc(gateway.baseUrl));
  const client = createClient(EchoService, transport);
  await eventually(async () => {
    expect((await listOf(gateway)).endpoints.map(({ state }) => state)).toEqual(names.map(() => 'ready'));
  });
  return { gateway, moods, client, folder, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

describe.each([0, 2])('health with %i workers', (workers) => {
  it.each([
    ['asked', {}],
    ['watched', { watch: true }],
  ])('takes a backend out that says so when it is %s, and brings it back, at no cost to calls', async (_how, grpc) => {
    const healthCheck = { grpc, interval: '0.1s', unhealthyThreshold: 2, healthyThreshold: 2 };
    await using world = await startWithMoods(workers, ['a', 'b'], { healthCheck });
    const { gateway, client, moods } = world;
    const [a, b] = moods as [Moody, Moody];
    const load = startLoad(8, (value) => client.say({ value }));
    await eventually(() => expect(Math.min(a.calls, b.calls)).toBeGreaterThan(0));

    a.serves = false;
    a.tell();
    await eventually(async () => {
      expect(await viewOf(gateway, a.address)).toMatchObject({
        state: 'failing',
        cause: expect.stringContaining('NOT_SERVING'),
        source: 'static',
      });
    });
    // What was on its way has come; what comes from here on goes to the other.
    const before = await untilQuiet(a, load);
    a.serves = true;
    a.tell();
    await eventually(() => expect(a.calls).toBeGreaterThan(before + 10));
    expect((await viewOf(gateway, a.address))?.state).toBe('ready');
    await load.stop();
    expect(load.failures()).toEqual([]);
    const checks = (await gateway.operator.metrics()).filter(({ name }) => name === 'bascule_health_checks_total');
    expect(new Set(checks.map(({ labels }) => labels['result']))).toEqual(new Set(['fail', 'pass']));
    expect(Math.min(...checks.map(({ value }) => value))).toBeGreaterThan(0);
  });

  it('leaves open streams alone, and answers unavailable when nobody is left', async () => {
    const healthCheck = { interval: '0.1s', unhealthyThreshold: 1, healthyThreshold: 1 };
    // Else checks would not be believed any more when all fail.
    const policy = { healthCheck, balancing: { panicPercent: 0 } };
    await using world = await startWithMoods(workers, ['a'], policy, { connectTimeout: '0.2s' });
    const { gateway, client, moods } = world;
    const [a] = moods as [Moody];
    const leaving = new AbortController();
    const stream = client.count({ value: -1 }, { signal: leaving.signal })[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ value: 'a' });
    a.serves = false;
    await eventually(async () => expect((await viewOf(gateway, a.address))?.state).toBe('failing'));
    expect((await viewOf(gateway, a.address))?.openCalls).toBe(1);
    // Control knows first, and then tells the threads.
    await eventually(async () => expect((await failureOf(client.say({ value: 'x' }))).code).toBe(Code.Unavailable));
    a.serves = true;
    await eventually(async () => expect((await client.say({ value: 'x' })).value).toBe('a'));
    expect((await viewOf(gateway, a.address))?.openCalls).toBe(1);
    leaving.abort();
    await stream.next().catch(() => undefined);
  });

  it('does not believe checks any more when most fail', async () => {
    const healthCheck = { interval: '0.1s', unhealthyThreshold: 1, healthyThreshold: 1 };
    await using world = await startWithMoods(workers, ['a'], { healthCheck });
    const { gateway, moods, client } = world;
    const [a] = moods as [Moody];
    const load = startLoad(4, (value) => client.say({ value }));
    a.serves = false;
    await eventually(async () => expect((await viewOf(gateway, a.address))?.state).toBe('failing'));
    await untilMore(load);
    await load.stop();
    expect(load.failures()).toEqual([]);
  });

  it('gives no calls to a backend that says it is too busy', async () => {
    const loadLimit = { maxUtilization: 0.8, after: '0s' };
    await using world = await startWithMoods(workers, ['a', 'b'], { loadLimit, policy: 'POLICY_ROUND_ROBIN' });
    const { gateway, client, moods } = world;
    const [a, b] = moods as [Moody, Moody];
    a.load = 0.5;
    b.load = 0.5;
    const load = startLoad(4, (value) => client.say({ value }));
    await untilMore(load);
    expect(await statesOf(gateway)).toEqual({ [`static/${a.address}`]: 'ready', [`static/${b.address}`]: 'ready' });
    a.load = 0.95;
    await eventually(async () => {
      expect(await viewOf(gateway, a.address)).toMatchObject({
        state: 'failing',
        cause: 'utilization 0.95 is above 0.8',
      });
    });
    const before = await untilQuiet(a, load);
    // Half of them must be left, however busy they are.
    b.load = 0.99;
    await untilMore(load, 500);
    expect(a.calls).toBe(before);
    await load.stop();
    expect(load.failures()).toEqual([]);
  });
});

describe('watching endpoints', () => {
  it('shows everything at once and each change after it, and ends with the gateway', async () => {
    const seen: ListEndpointsResponse[] = [];
    let watching: Promise<unknown>;
    let operator: Operator;
    {
      const healthCheck = { interval: '0.1s', unhealthyThreshold: 1, healthyThreshold: 1 };
      await using world = await startWithMoods(0, ['a'], { healthCheck });
      const { gateway, moods } = world;
      const [a] = moods as [Moody];
      operator = connectOperator(gateway.operator.url, gateway.token);
      const { admin } = operator;
      watching = (async () => {
        for await (const { view } of admin.watchEndpoints({ service: SERVICE })) {
          if (view !== undefined) seen.push(view);
        }
      })();
      await eventually(() => expect(seen.length).toBeGreaterThan(0));
      expect(seen[0]?.endpoints).toMatchObject([{ state: 'ready', address: a.address }]);
      expect(seen[0]?.sources.map(({ name }) => name)).toEqual(expect.arrayContaining(['static']));
      a.serves = false;
      await eventually(() => expect(seen.at(-1)?.endpoints[0]?.state).toBe('failing'));
      await a.kill();
      await eventually(() => expect(seen.at(-1)?.endpoints[0]?.cause).toMatch(/REFUSED|refused/));
    }
    // The rig has closed the gateway, and with it ended the watch.
    await watching;
    operator.close();
  });
});
