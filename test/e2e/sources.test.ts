import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, Code, type Client } from '@connectrpc/connect';
import { ConfigRefused, startGateway } from '@bascule/gateway';
import { describe, expect, it } from 'vitest';
import { PlacesService } from '../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { createBackends, startRegistryProcess } from './rig/backends.ts';
import type { Child } from './rig/child.ts';
import { connectGrpc } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { startEcho } from './rig/echo.ts';
import { listOf, statesOf, untilMore } from './rig/endpoints.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway } from './rig/gateway.ts';
import { startLoad } from './rig/load.ts';
import { connectOperator } from './rig/operator.ts';
import { freePorts } from '../support/src/servers/ports.ts';
import { askRaw } from './rig/raw-call.ts';

const SERVICE = EchoService.typeName;

describe('sources', () => {
  it('that lose their memory cost nothing, but for what has died meanwhile', async () => {
    await using folder = await makeFolder();
    const [port = 0] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const registry = await startRegistryProcess(folder, port);
    await using gateway = await startTestGateway({ workers: 0, folder, registry: url });
    await using backends = createBackends(folder, url);
    const children = await Promise.all(['a', 'b', 'c'].map((name) => backends.start(name)));
    using connected = connectGrpc(gateway.baseUrl);
    const places = createClient(PlacesService, connected.transport);
    const ready = { a: 'ready', b: 'ready', c: 'ready' };
    await eventually(async () => expect(await statesOf(gateway)).toEqual(ready));
    const load = startLoad(12, (query) => places.search({ query }));
    await untilMore(load, 24);

    await registry.kill();
    await eventually(async () => expect((await listOf(gateway)).sources[0]?.state).toBe('stale'));
    // Nobody hears that it ends, and no lease runs out anywhere.
    await (children[2] as Child).kill();
    await untilMore(load, 24);
    // A source that is gone misses nobody.
    expect(Object.keys(await statesOf(gateway))).toContain('c');

    await using _again = await startRegistryProcess(folder, port);
    await eventually(async () => {
      expect(await statesOf(gateway)).toMatchObject({ a: 'ready', b: 'ready' });
      expect((await listOf(gateway)).removals).toMatchObject([{ instanceId: 'c', cause: 'absent-and-failing' }]);
    });
    expect(
      Object.keys(await statesOf(gateway))
        .filter((name) => 'abc'.includes(name))
        .toSorted(),
    ).toEqual(['a', 'b']);
    await untilMore(load, 24);
    await load.stop();
    expect(load.failures()).toEqual([]);
    const removed = gateway.log.filter(({ message }) => message.includes('was removed'));
    expect(removed.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^endpoint c at 127\.0\.0\.1:\d+ of source \S+ was removed: absent-and-failing$/),
    ]);
    const samples = await gateway.operator.metrics();
    expect(samples.find(({ name }) => name === 'bascule_discovery_removals_total')).toMatchObject({
      labels: { cause: 'absent-and-failing' },
      value: 1,
    });
  });

  it('are put together: what one of two registries knows is there, whatever becomes of the other', async () => {
    await using pair = await startPair();
    const { gateway, client, registries, urls } = pair;
    const at = urls.map((url) => ({ url, token: pair.token, ttlMs: 1_500 }));
    await using _one = await startEcho({ registry: at[0] as (typeof at)[0], instanceId: 'one' });
    await using _two = await startEcho({ registry: at[1] as (typeof at)[0], instanceId: 'two' });
    await using _both = await startEcho({ registry: at, instanceId: 'both' });
    const ready = { one: 'ready', two: 'ready', both: 'ready' };
    await eventually(async () => expect(await statesOf(gateway)).toEqual(ready));
    const sourcesOf = async (): Promise<Record<string, string>> => {
      const { endpoints } = await listOf(gateway);
      return Object.fromEntries(endpoints.map(({ instanceId, source }) => [instanceId, source]));
    };
    // Who is told by one registry is there already; the other tells in its own time.
    await eventually(async () => {
      const sources = await sourcesOf();
      expect(sources).toMatchObject({ one: 'first', two: 'second' });
      expect(sources['both']?.split(',').toSorted()).toEqual(['first', 'second']);
    });
    const load = startLoad(6, (value) => client.say({ value }));
    await untilMore(load);
    await registries[0]?.kill();
    await eventually(async () => {
      expect((await listOf(gateway)).sources.map(({ name, state }) => `${name} ${state}`)).toEqual([
        'first stale',
        'second connected',
      ]);
    });
    await untilMore(load, 300);
    expect(await statesOf(gateway)).toEqual(ready);
    await using _again = await startRegistryProcess(pair.folder, Number(new URL(urls[0] ?? '').port));
    await eventually(async () => {
      expect((await listOf(gateway)).sources.map(({ state }) => state)).toEqual(['connected', 'connected']);
      expect(await sourcesOf()).toMatchObject({ one: 'first' });
      expect(await statesOf(gateway)).toEqual(ready);
    });
    await load.stop();
    expect(load.failures()).toEqual([]);
  });

  it('of a higher rank are used while nobody of the lower can be', async () => {
    await using pair = await startPair({ secondRank: 1 });
    const { gateway, client, urls, token } = pair;
    const [first, second] = urls.map((url) => ({ url, token, ttlMs: 1_500 }));
    await using backup = await startEcho({ registry: second as NonNullable<typeof second>, instanceId: 'backup' });
    const registry = first as NonNullable<typeof first>;
    const primary = await startEcho({ registry, instanceId: 'primary' });
    await eventually(async () => expect(await statesOf(gateway)).toEqual({ primary: 'ready', backup: 'ready' }));
    const load = startLoad(4, (value) => client.say({ value }));
    // Some may have gone there while it was alone.
    const seen = await eventually(async () => {
      const seen = backup.probe.headers.length;
      await untilMore(load, 300);
      expect(backup.probe.headers.length).toBe(seen);
      return seen;
    });
    await primary.server.close();
    await eventually(() => expect(backup.probe.headers.length).toBeGreaterThan(seen + 100));
    await using again = await startEcho({ registry, instanceId: 'primary' });
    await eventually(() => expect(again.probe.headers.length).toBeGreaterThan(100));
    await eventually(async () => {
      const after = backup.probe.headers.length;
      await untilMore(load, 300);
      expect(backup.probe.headers.length).toBe(after);
    });
    await load.stop();
    expect(load.failures()).toEqual([]);
  });

  it('come and go with the configuration, while calls and streams go on', async () => {
    await using pair = await startPair({ withSecond: false });
    const { gateway, client, urls, token } = pair;
    const [first, second] = urls.map((url) => ({ url, token, ttlMs: 1_500 }));
    await using _one = await startEcho({ registry: first as NonNullable<typeof first>, instanceId: 'one' });
    await using _two = await startEcho({ registry: second as NonNullable<typeof second>, instanceId: 'two' });
    await eventually(async () => expect(await statesOf(gateway)).toEqual({ one: 'ready' }));
    const leaving = new AbortController();
    const stream = client.count({ value: -1 }, { signal: leaving.signal })[Symbol.asyncIterator]();
    await stream.next();
    const load = startLoad(6, (value) => client.say({ value }));
    await untilMore(load);
    const since = (await listOf(gateway)).sources[0]?.sinceMs;

    await gateway.save(pair.configOf({}));
    await eventually(async () => expect(await statesOf(gateway)).toEqual({ one: 'ready', two: 'ready' }));
    // It is the same source as before: nobody has asked it anew.
    expect((await listOf(gateway)).sources).toMatchObject([{ name: 'first', sinceMs: since }, { name: 'second' }]);

    // The same system with other settings: its endpoints stay while it is asked anew.
    await gateway.save(pair.configOf({ firstRank: 3 }));
    await eventually(async () => expect((await listOf(gateway)).sources.map(({ rank }) => rank)).toEqual([0, 3]));
    await eventually(async () => expect(await statesOf(gateway)).toEqual({ one: 'ready', two: 'ready' }));
    await untilMore(load);

    await gateway.save(pair.configOf({ withSecond: false }));
    await eventually(async () => expect(await statesOf(gateway)).toEqual({ one: 'ready' }));
    expect((await listOf(gateway)).removals[0]).toMatchObject({ instanceId: 'two', cause: 'source-gone' });
    await untilMore(load);
    expect((await stream.next()).done).toBe(false);
    leaving.abort();
    await stream.next().catch(() => undefined);
    await load.stop();
    expect(load.failures()).toEqual([]);
  });

  it('that cannot be are refused with their place, and nothing else of the change is taken', async () => {
    await using pair = await startPair({ withSecond: false });
    const { gateway, configOf, folder } = pair;
    await gateway.save(`discovery:
  endpoints: [{address: "127.0.0.1:1", services: [a.B]}]
  sources:
    - url: carrier-pigeon://a
`);
    await eventually(async () => {
      const { configError } = await gateway.operator.admin.getStatus({});
      expect(configError).toContain(`${gateway.configFile}:4:12 discovery.sources[0].url: "carrier-pigeon:"`);
      expect(configError).toContain('http');
    });
    expect((await listOf(gateway)).sources.map(({ name }) => name)).toEqual(['first']);
    expect((await listOf(gateway)).endpoints).toEqual([]);
    await gateway.save(configOf({}));
    await eventually(async () => expect((await listOf(gateway)).sources).toHaveLength(2));
    expect((await gateway.operator.admin.getStatus({})).configError).toBe('');

    const configFile = join(folder.path, 'other.yaml');
    await writeFile(configFile, 'discovery:\n  sources: [{url: "http://a:1/?x=y"}]\n');
    const overrides = { port: 0, operatorPort: 0, stateDir: join(folder.path, 'other') };
    const error = await failed(startGateway({ configFile, overrides }));
    expect(error).toBeInstanceOf(ConfigRefused);
    expect((error as Error).message).toContain(`${configFile}:2:19 discovery.sources[0].url: `);
  });
});

describe('the registry inside the gateway', () => {
  it('takes registrations of those alone whom its access file allows them', async () => {
    await using folder = await makeFolder();
    const [echoToken, otherToken, reload] = [
      'echo-token-0123456789',
      'other-token-0123456789',
      'late-token-0123456789',
    ];
    const rules = (token: string): string =>
      JSON.stringify({
        tokens: [
          { name: 'echo', sha256: sha256(token), register: [SERVICE], read: ['*'] },
          { name: 'other', sha256: sha256(otherToken), register: ['other.v1.*'], read: [] },
        ],
      });
    const accessFile = join(folder.path, 'access.yaml');
    await writeFile(accessFile, rules(echoToken));
    const config = { discovery: { registryAccessFile: 'access.yaml' } };
    await using gateway = await startTestGateway({ workers: 0, folder, config });
    const { url, token: operatorToken } = gateway.registry;
    const known = async (): Promise<string[]> => Object.keys(await statesOf(gateway)).toSorted(byName);

    // Said in plain JSON, as any language can.
    const statusOf = async (token: string | undefined): Promise<number> => {
      const endpoint = { instanceId: 'x', incarnation: 1, host: '127.0.0.1', port: 9, services: [SERVICE] };
      const answer = await askRaw(gateway.operatorPort, {
        http: 1,
        path: '/bascule.registry.v1.RegistryService/Register',
        headers: {
          'content-type': 'application/json',
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify({ endpoint: { ...endpoint, protocol: 'PROTOCOL_GRPC' }, ttl: '5s' }),
      });
      return answer.status;
    };
    expect(await statusOf(undefined)).toBe(401);
    expect(await statusOf('a-token-that-nobody-has')).toBe(401);
    expect(await statusOf(otherToken)).toBe(403);
    await using _echo = await startEcho({ registry: { url, token: echoToken }, instanceId: 'echo' });
    await using _operators = await startEcho({ registry: { url, token: operatorToken }, instanceId: 'operators' });
    await eventually(async () => expect(await known()).toEqual(['echo', 'operators']));
    // Everything else is the operator's alone.
    const other = connectOperator(gateway.operator.url, echoToken);
    expect((await failureOf(other.admin.getStatus({}))).code).toBe(Code.Unauthenticated);
    other.close();

    await writeFile(accessFile, rules(reload));
    await eventually(async () => expect((await gateway.operator.admin.getStatus({})).configRevision).toBe(2n));
    await using _late = await startEcho({ registry: { url, token: reload }, instanceId: 'late' });
    await eventually(async () => expect(await known()).toContain('late'));
    const audit = gateway.log.map(({ message }) => message).filter((message) => message.startsWith('registry: {'));
    expect(audit.filter((line) => line.includes('"refused"')).length).toBeGreaterThanOrEqual(3);
    expect(audit.filter((line) => [echoToken, otherToken, reload].some((token) => line.includes(token)))).toEqual([]);
    expect(await known()).not.toContain('x');
  });
});

describe('the last known set', () => {
  it('that is garbage is as none, and is written anew', async () => {
    await using folder = await makeFolder();
    const [port = 0] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const registry = await startRegistryProcess(folder, port);
    await using backends = createBackends(folder, url);
    const start = () => startTestGateway({ workers: 0, folder, registry: url });
    {
      await using gateway = await start();
      await backends.start('a');
      await eventually(async () => expect(await statesOf(gateway)).toMatchObject({ a: 'ready' }));
      await registry.kill();
    }
    for (const file of await filesUnder(join(folder.path, 'state'), 'last-known')) {
      await writeFile(file, '{"version":2}\n\u0000garbage');
    }
    await using gateway = await start();
    expect(await statesOf(gateway)).toEqual({});
    const said = gateway.log.map(({ message }) => message).filter((message) => message.includes('not answered'));
    expect(said).toEqual([`source ${url} has not answered yet, and nothing is known of it from before`]);
    await using _again = await startRegistryProcess(folder, port);
    await eventually(async () => expect(await statesOf(gateway)).toMatchObject({ a: 'ready' }), 15_000);
  });

  it('that is too old is not used', async () => {
    await using folder = await makeFolder();
    const [port = 0] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const registry = await startRegistryProcess(folder, port);
    await using backends = createBackends(folder, url);
    const start = (lastKnownMaxAge: string) =>
      startTestGateway({ workers: 0, folder, registry: url, config: { discovery: { lastKnownMaxAge } } });
    {
      await using gateway = await start('3600s');
      await backends.start('a');
      await eventually(async () => expect(await statesOf(gateway)).toMatchObject({ a: 'ready' }));
      await registry.kill();
    }
    {
      await using gateway = await start('0s');
      expect(await statesOf(gateway)).toEqual({});
    }
  });
});

/** Two registries in processes of their own, `first` and `second`, and a gateway that asks them. */
async function startPair(settings: { withSecond?: boolean; secondRank?: number } = {}) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const ports = await freePorts(2);
  // One after the other: the first makes the token that both have.
  const registries: Child[] = [];
  for (const port of ports) registries.push(stack.use(await startRegistryProcess(folder, port)));
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  const configOf = (chosen: { withSecond?: boolean; firstRank?: number; secondRank?: number }): object => {
    const { withSecond = true, firstRank = 0, secondRank = 0 } = chosen;
    const tokenFile = 'state/token';
    const first = { url: urls[0], name: 'first', rank: firstRank, tokenFile };
    const second = { url: urls[1], name: 'second', rank: secondRank, tokenFile };
    return { discovery: { sources: withSecond ? [first, second] : [first] } };
  };
  const gateway = stack.use(await startTestGateway({ workers: 0, folder, config: configOf(settings) }));
  const { transport } = stack.use(connectGrpc(gateway.baseUrl));
  const client: Client<typeof EchoService> = createClient(EchoService, transport);
  const dispose = (): Promise<void> => stack.disposeAsync();
  return { gateway, client, registries, urls, folder, token: gateway.token, configOf, [Symbol.asyncDispose]: dispose };
}

function byName(a: string, b: string): number {
  return a.localeCompare(b);
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function failed(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** Files below a folder whose path holds `part`. There is at least one. */
async function filesUnder(folder: string, part: string): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const found = files.filter((file) => file.slice(folder.length).includes(part));
  expect(found.length).toBeGreaterThan(0);
  return found;
}
