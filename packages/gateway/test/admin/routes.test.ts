import { mkdtemp, readdir, readFile, rm, writeFile, mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AdminService } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ModuleService, VersionState } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { Code, ConnectError, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createAdminRoutes } from '../../src/admin/admin-routes.ts';
import { createModuleRoutes, type ModulesView } from '../../src/admin/module-routes.ts';
import type { DiscoveryViewData } from '../../src/admin/views.ts';
import { PLACES, RANKING_V1, STATUS, viewOf } from './samples.ts';

async function refusalOf(call: Promise<unknown>): Promise<ConnectError> {
  const error = await call.then(
    () => new Error('it was taken'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

describe('AdminService', () => {
  const other = { ...PLACES, cluster: 'a.B', instanceId: 'b-1', address: '127.0.0.1:5000', services: ['a.B'] };
  const left = { ...PLACES, instanceId: 'places-0', cause: 'absent-and-failing', atMs: 1.5 };
  const view: DiscoveryViewData = {
    endpoints: [PLACES, other],
    removals: [left, { ...left, instanceId: 'b-0', services: ['a.B'] }],
    sources: [{ name: 'static', state: 'connected', sinceMs: 2.5, error: '', rank: 1, endpoints: 2 }],
  };
  async function* watch(signal: AbortSignal): AsyncGenerator<DiscoveryViewData> {
    yield view;
    yield viewOf(other);
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }
  const admin = createClient(
    AdminService,
    createRouterTransport(
      createAdminRoutes({
        view: () => Promise.resolve(view),
        watch,
        schemaOf: (service) => (service === 'a.B' ? Uint8Array.of(1, 2) : undefined),
        status: () => STATUS,
      }),
    ),
  );

  test('lists endpoints by cluster, or those of a service', async () => {
    const { endpoints } = await admin.listEndpoints({});
    expect(endpoints.map((e) => e.cluster)).toEqual(['a.B', PLACES.cluster]);
    const numbers = { incarnation: 1_700_000_000_000n, calls: 10n, failures: 1n, sinceMs: 1_700_000_000_000n };
    expect(endpoints[1]).toMatchObject({ ...PLACES, ...numbers });
    expect((await admin.listEndpoints({ service: 'a.B' })).endpoints).toHaveLength(1);
  });

  test('shows who left, of a service where one is named, and the sources in any case', async () => {
    const all = await admin.listEndpoints({});
    expect(all.removals.map(({ instanceId, cause, atMs }) => [instanceId, cause, atMs])).toEqual([
      ['places-0', 'absent-and-failing', 2n],
      ['b-0', 'absent-and-failing', 2n],
    ]);
    const one = await admin.listEndpoints({ service: 'a.B' });
    expect(one.removals.map(({ instanceId }) => instanceId)).toEqual(['b-0']);
    expect(one.sources).toMatchObject([{ name: 'static', state: 'connected', sinceMs: 3n, rank: 1, endpoints: 2 }]);
  });

  test('streams views until the caller goes, of a service that nobody serves as well', async () => {
    for (const [service, counts] of [
      ['', [2, 1]],
      ['a.B', [1, 1]],
      ['a.C', [0, 0]],
    ] as const) {
      const leaving = new AbortController();
      const seen: number[] = [];
      const watching = (async () => {
        for await (const { view: shown } of admin.watchEndpoints({ service }, { signal: leaving.signal })) {
          seen.push(shown?.endpoints.length ?? -1);
          if (seen.length === 2) leaving.abort();
        }
      })();
      expect((await refusalOf(watching)).code).toBe(Code.Canceled);
      expect(seen).toEqual(counts);
    }
  });

  test('names what is known when asked for what is not', async () => {
    const error = await refusalOf(admin.listEndpoints({ service: 'a.C' }));
    expect(error.code).toBe(Code.NotFound);
    expect(error.rawMessage).toBe(`no endpoint serves a.C\nKnown are a.B, ${PLACES.cluster}.`);
  });

  test('gives schemas, and tells an unknown service from an unknown schema', async () => {
    expect((await admin.getServiceSchema({ service: 'a.B' })).schema).toEqual(Uint8Array.of(1, 2));
    expect((await refusalOf(admin.getServiceSchema({ service: 'a.C' }))).code).toBe(Code.NotFound);
    expect((await refusalOf(admin.getServiceSchema({ service: PLACES.cluster }))).code).toBe(Code.FailedPrecondition);
  });

  test('gives the status', async () => {
    expect(await admin.getStatus({})).toMatchObject({ ...STATUS, configRevision: 3n, snapshotRevision: 8n });
  });
});

describe('ModuleService', () => {
  let folder: string;
  let deployed: { bytes: string; source: string }[];
  let refusal: Error | undefined;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bascule-uploads-'));
    deployed = [];
    refusal = undefined;
  });
  afterEach(async () => {
    // Whatever happened in the test, no package stays behind.
    expect(await readdir(folder).catch(() => [])).toEqual([]);
    await rm(folder, { recursive: true, force: true });
  });

  const modules: ModulesView = {
    async deploy({ path, source }) {
      if (refusal !== undefined) throw refusal;
      deployed.push({ bytes: await readFile(path, 'utf8'), source });
      const timings = { unpackMs: 4.997707999999875, bundleMs: 1020.5, workerStartMs: 30, checkMs: 4, switchMs: 0.25 };
      return { version: RANKING_V1, previousVersion: '0.9.0', timings, unchanged: false };
    },
    async rollback(module, version) {
      if (refusal !== undefined) throw refusal;
      return { version: { ...RANKING_V1, module, version: version ?? 'before' }, previousVersion: '1.0.0' };
    },
    versions: () => [RANKING_V1, { ...RANKING_V1, module: 'tally', state: 'refused', reason: 'throws' }],
  };
  const client = (maxPackageBytes = 100) =>
    createClient(
      ModuleService,
      createRouterTransport(
        createModuleRoutes({ modules, uploadFolder: folder, maxPackageBytes: () => maxPackageBytes }),
      ),
    );
  const start = { part: { case: 'start' as const, value: { source: '/m/ranking' } } };
  const chunk = (text: string) => ({ part: { case: 'chunk' as const, value: new TextEncoder().encode(text) } });
  async function* parts(...messages: (typeof start | ReturnType<typeof chunk> | Record<string, never>)[]) {
    yield* messages;
  }

  test('deploys what arrives in pieces', async () => {
    const answer = await client().deploy(parts(start, chunk('abc'), chunk(''), chunk('def')));
    expect(deployed).toEqual([{ bytes: 'abcdef', source: '/m/ranking' }]);
    expect(answer.previousVersion).toBe('0.9.0');
    expect(answer.version).toMatchObject({ module: 'ranking', state: VersionState.CURRENT, openCalls: 3 });
    expect(answer.version?.deployedAt?.seconds).toBe(1_700_000_000n);
    expect(answer.timings?.bundle).toMatchObject({ seconds: 1n, nanos: 20_500_000 });
    expect(answer.timings?.unpack?.nanos).toBe(4_997_708);
    expect(answer.timings?.switchOver?.nanos).toBe(250_000);
  });

  test.each([
    ['nothing', parts(), 'holds no package'],
    ['a name alone', parts(start), 'holds no package'],
    ['bytes before the name', parts(chunk('a')), 'before it names'],
    ['two names', parts(start, chunk('a'), start), 'twice'],
    ['an empty message', parts(start, {}), 'neither a start nor a chunk'],
  ])('refuses %s', async (_name, messages, words) => {
    const error = await refusalOf(client().deploy(messages));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(error.rawMessage).toContain(words);
    expect(deployed).toEqual([]);
  });

  test('takes a package of the limit and refuses one byte more', async () => {
    await client(6).deploy(parts(start, chunk('abc'), chunk('def')));
    const error = await refusalOf(client(5).deploy(parts(start, chunk('abc'), chunk('def'))));
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(deployed).toHaveLength(1);
  });

  test('cleans up after a sender that goes away', async () => {
    const controller = new AbortController();
    async function* stalling() {
      yield start;
      yield chunk('abc');
      controller.abort();
      await new Promise(() => {});
    }
    await refusalOf(client().deploy(stalling(), { signal: controller.signal }));
    await expect.poll(() => readdir(folder)).toEqual([]);
    expect(deployed).toEqual([]);
  });

  test('removes what a crash left behind before the first upload', async () => {
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'left.tgz'), 'x');
    await client().deploy(parts(start, chunk('abc')));
    expect(await readdir(folder)).toEqual([]);
  });

  test('tells a refusal with reason and advice, and hides a fault', async () => {
    refusal = Object.assign(new Error(), { reason: 'index.ts:3 throws', advice: 'Correct it' });
    const calls = [() => client().deploy(parts(start, chunk('abc'))), () => client().rollback({ module: 'ranking' })];
    for (const call of calls) {
      const error = await refusalOf(call());
      expect(error.code).toBe(Code.FailedPrecondition);
      expect(error.rawMessage).toBe('index.ts:3 throws\nCorrect it');
    }
    refusal = new Error('/secret/path');
    const error = await refusalOf(client().deploy(parts(start, chunk('abc'))));
    expect(error.code).toBe(Code.Internal);
    expect(error.rawMessage).not.toContain('secret');
  });

  test('says that a disk takes nothing, and goes on when it does again', async () => {
    refusal = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const full = await refusalOf(client().deploy(parts(start, chunk('abc'))));
    expect(full.code).toBe(Code.Unavailable);
    expect(full.rawMessage).toMatch(/^the state folder cannot be written: ENOSPC.*\nMake room on its disk/);
    refusal = undefined;

    // Nothing can be made where a file stands.
    const root = join(folder, 'uploads');
    await writeFile(root, '');
    const blocked = createClient(
      ModuleService,
      createRouterTransport(
        createModuleRoutes({ modules, uploadFolder: join(root, 'below'), maxPackageBytes: () => 100 }),
      ),
    );
    await refusalOf(blocked.deploy(parts(start, chunk('abc'))));
    await rm(root);
    await blocked.deploy(parts(start, chunk('abc')));
    expect(deployed).toHaveLength(1);
    await rm(root, { recursive: true });
  });

  test('rolls back to the version before or to a named one', async () => {
    expect((await client().rollback({ module: 'ranking' })).version?.version).toBe('before');
    expect((await client().rollback({ module: 'ranking', version: '0.9.0' })).version?.version).toBe('0.9.0');
    expect((await refusalOf(client().rollback({ module: 'rankin' }))).rawMessage).toContain('Known are ranking, tally');
    expect((await refusalOf(client().rollback({}))).code).toBe(Code.InvalidArgument);
  });

  test('lists versions of all modules or of one', async () => {
    expect((await client().listVersions({})).versions).toHaveLength(2);
    const { versions } = await client().listVersions({ module: 'tally' });
    expect(versions).toMatchObject([{ state: VersionState.REFUSED, reason: 'throws' }]);
    expect((await refusalOf(client().listVersions({ module: 'x' }))).code).toBe(Code.NotFound);
  });
});
