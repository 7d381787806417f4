import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { VersionState, type Version } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { connectGrpc, connectGrpcWeb } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { startEcho } from './rig/echo.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';
import { createPackages, rankingSource, strangerSource } from './rig/packages.ts';
import { openTally, openWatch, type OpenStream } from './rig/streams.ts';
import { countThreads } from './rig/threads.ts';

const SWAPS = 20;
const CALLERS = 8;

async function versionsOf(gateway: TestGateway): Promise<Version[]> {
  return (await gateway.operator.modules.listVersions({})).versions;
}

async function currentOf(gateway: TestGateway): Promise<string[]> {
  return (await versionsOf(gateway)).filter(({ state }) => state === VersionState.CURRENT).map((v) => v.version);
}

/** Sequences count from 1 without gaps, and all come from one version. */
function expectWhole(stream: OpenStream): void {
  expect(stream.sequences).toEqual(stream.sequences.map((_, i) => BigInt(i + 1)));
  expect(stream.versions.size).toBe(1);
}

describe.each([0, 2])('swapping a module with %i workers', (workers) => {
  it('fails no call and cuts no stream over twenty swaps', async () => {
    await using folder = await makeFolder();
    const threadsBefore = countThreads();
    await using gateway = await startTestGateway({ workers });
    const packages = createPackages(folder.path);
    const files = [await packages.ofDemo('ranking'), await packages.ofDemo('ranking-v2')];
    await gateway.operator.deploy(files[0] as string);
    using page = connectGrpcWeb(gateway.baseUrl);
    using backend = connectGrpc(gateway.baseUrl);
    const unary = createClient(RankingService, page.transport);
    const streaming = createClient(RankingService, backend.transport);

    const streams = [0, 1, 2].flatMap((i) => [openWatch(streaming, `w${i}`), openTally(streaming, `t${i}`)]);
    await eventually(() => expect(Math.min(...streams.map((s) => s.sequences.length))).toBeGreaterThan(2));
    const done = new AbortController();
    const answered = new Map<string, number>();
    const call = async (caller: number): Promise<void> => {
      const candidates = [
        { id: 1, name: 'near', population: 1000, distanceKm: 1 },
        { id: 2, name: 'far', population: 2_000_000, distanceKm: 5000 },
      ];
      for (let i = 0; !done.signal.aborted; i++) {
        const callId = `${caller}-${i}`;
        const answer = await unary.rank({ candidates, callId });
        expect(answer.callId).toBe(callId);
        expect(answer.ranked).toHaveLength(2);
        answered.set(answer.version, (answered.get(answer.version) ?? 0) + 1);
      }
    };
    const callers = Array.from({ length: CALLERS }, (_, i) => call(i));
    const lives: OpenStream[] = [];
    for (let swap = 1; swap <= SWAPS; swap++) {
      const { version, unchanged } = await gateway.operator.deploy(files[swap % 2] as string);
      expect(unchanged).toBe(false);
      // Whoever asks after the answer gets the new version.
      expect((await unary.rank({ callId: 'after' })).version).toBe(version?.version);
      if (swap % 5 === 0) lives.push(openWatch(streaming, `late-${swap}`));
    }
    done.abort();
    await Promise.all(callers);
    expect([...answered.keys()].toSorted()).toEqual(['1.0.0', '2.0.0']);
    expect([...answered.values()].reduce((a, b) => a + b)).toBeGreaterThan(SWAPS * CALLERS);

    await eventually(() => expect(Math.min(...lives.map((s) => s.sequences.length))).toBeGreaterThan(2));
    const lengths = streams.map((s) => s.sequences.length);
    await eventually(() => streams.forEach((s, i) => expect(s.sequences.length).toBeGreaterThan(lengths[i] as number)));
    await eventually(async () => {
      const open = (await versionsOf(gateway)).reduce((sum, version) => sum + version.openCalls, 0);
      expect(open).toBe(streams.length + lives.length);
    });
    const all = [...streams, ...lives];
    all.forEach((stream) => stream.leave());
    expect(await Promise.all(all.map((stream) => stream.ended))).toEqual(all.map(() => undefined));
    all.forEach(expectWhole);
    streams.forEach((stream) => expect([...stream.versions]).toEqual(['1.0.0']));

    await eventually(async () => {
      const versions = await versionsOf(gateway);
      const states = versions.map(({ state }) => state).toSorted((a, b) => a - b);
      expect(states).toEqual([VersionState.STORED, VersionState.CURRENT]);
      expect(versions.filter(({ openCalls }) => openCalls > 0)).toEqual([]);
      // The data threads, the current version, and the worker that is started ahead.
      expect(countThreads() - threadsBefore).toBeLessThanOrEqual(workers + 2);
    });
    const samples = await gateway.operator.metrics();
    const swaps = samples.find(({ name }) => name === 'bascule_swaps_total');
    expect(swaps?.value).toBe(SWAPS + 1);
    expect(samples.filter(({ name, value }) => name === 'bascule_retries_total' && value > 0)).toEqual([]);
  });

  it('rolls back to the bits of the version before, and survives a restart without the sources', async () => {
    await using folder = await makeFolder();
    const packages = createPackages(folder.path);
    const rankedBy = async (gateway: TestGateway): Promise<string> => {
      using connected = connectGrpc(gateway.baseUrl);
      return (await createClient(RankingService, connected.transport).rank({ callId: 'x' })).version;
    };
    {
      await using gateway = await startTestGateway({ workers, folder });
      const { operator } = gateway;
      for (const version of ['1.0.0', '2.0.0']) {
        const file = await packages.ofRanking(version);
        const deployed = await operator.deploy(file);
        expect(deployed.version?.version).toBe(version);
        await rm(file);
      }
      expect(await rankedBy(gateway)).toBe('2.0.0');
      const back = await operator.modules.rollback({ module: 'ranking' });
      expect([back.previousVersion, back.version?.version]).toEqual(['2.0.0', '1.0.0']);
      expect(await rankedBy(gateway)).toBe('1.0.0');
      expect((await failureOf(operator.modules.rollback({ module: 'nobody' }))).code).toBe(Code.NotFound);
    }
    await using gateway = await startTestGateway({ workers, folder });
    expect(await currentOf(gateway)).toEqual(['1.0.0']);
    expect(await rankedBy(gateway)).toBe('1.0.0');
    await gateway.operator.modules.rollback({ module: 'ranking', version: '2.0.0' });
    expect(await rankedBy(gateway)).toBe('2.0.0');
  });

  it('refuses what does not run, says why, and changes nothing', async () => {
    await using folder = await makeFolder();
    await using gateway = await startTestGateway({ workers, config: { modules: { loadTimeout: '3s' } } });
    const { operator } = gateway;
    const packages = createPackages(folder.path);
    await operator.deploy(await packages.ofRanking('1.0.0'));
    using connected = connectGrpc(gateway.baseUrl);
    const client = createClient(RankingService, connected.transport);
    const stream = openWatch(client, 'open');
    await eventually(() => expect(stream.sequences.length).toBeGreaterThan(1));
    const refused: [Readonly<Record<string, string>>, RegExp][] = [
      [{ 'index.ts': 'throw new Error("no luck today");' }, /no luck today/],
      [{ 'index.ts': strangerSource() }, /demo\.ranking\.v1\.RankingService/],
      [{ 'index.ts': 'export default 3 +;' }, /index\.ts:1:19/],
      [{ 'index.ts': 'await new Promise(() => setInterval(() => {}, 1000)); export default () => {};' }, /3000 ms|3 s/],
      [{ 'index.ts': 'for (;;);' }, /3000 ms|3 s/],
      [{ 'index.ts': 'export default () => {};' }, /no service/],
      [{ 'package.json': '{ "name": "@test/ranking", ' }, /package\.json: not JSON/],
      [{ 'package.json': '{ "name": "@test/ranking", "version": "two", "bascule": {} }' }, /"version"/],
    ];
    for (const [files, reason] of refused) {
      const error = await failureOf(operator.deploy(await packages.ofRanking('2.0.0', files)));
      expect(error.code).toBe(Code.FailedPrecondition);
      expect(error.rawMessage).toMatch(reason);
      expect((await client.rank({ callId: 'x' })).version).toBe('1.0.0');
      expect(await currentOf(gateway)).toEqual(['1.0.0']);
    }
    const notPackage = join(folder.path, 'broken.tgz');
    await writeFile(notPackage, 'no archive at all');
    expect((await failureOf(operator.deploy(notPackage))).code).toBe(Code.FailedPrecondition);
    const listed = (await versionsOf(gateway)).filter(({ state }) => state === VersionState.REFUSED);
    expect(listed.length).toBeGreaterThan(0);
    for (const { reason } of listed) expect(reason).not.toBe('');
    stream.leave();
    expect(await stream.ended).toBeUndefined();
    expectWhole(stream);
  });

  it.each(['exit', 'hoard'])('loses only its own calls when a worker dies (%s), and comes back', async (death) => {
    await using folder = await makeFolder();
    await using gateway = await startTestGateway({ workers, config: { modules: { maxHeapMib: 48 } } });
    await using echo = await startEcho({ registry: gateway.registry });
    await gateway.operator.deploy(await createPackages(folder.path).ofRanking('1.0.0'));
    using connected = connectGrpc(gateway.baseUrl);
    const ranking = createClient(RankingService, connected.transport);
    const other = createClient(EchoService, connected.transport);
    const stranger = new AbortController();
    let counted = 0;
    const counting = (async () => {
      for await (const _ of other.count({ value: -1 }, { signal: stranger.signal })) counted++;
    })();
    const stream = openWatch(ranking, 'lost');
    const hanging = [1, 2, 3].map(() => failureOf(ranking.vote({ callId: 'hang' })));
    await eventually(async () => {
      expect(stream.sequences.length).toBeGreaterThan(1);
      expect(counted).toBeGreaterThan(1);
      expect((await versionsOf(gateway))[0]?.openCalls).toBe(4);
    });
    const dying = await failureOf(ranking.vote({ callId: death }));
    for (const error of [dying, ...(await Promise.all(hanging))]) expect(error.code).toBe(Code.Unavailable);
    expect(await stream.ended).toMatchObject({ code: Code.Unavailable });
    const before = counted;

    await eventually(async () => expect((await ranking.rank({ callId: 'back' })).version).toBe('1.0.0'));
    await eventually(() => expect(counted).toBeGreaterThan(before));
    await eventually(async () => {
      const [version] = await versionsOf(gateway);
      expect(version).toMatchObject({ state: VersionState.CURRENT, restarts: 1 });
    });
    stranger.abort();
    expect((await failureOf(counting)).code).toBe(Code.Canceled);
    await eventually(() => expect(echo.probe.aborted).toEqual(['count']));
  });

  it('deploys a watched folder at the start and whenever a file in it is saved', async () => {
    await using folder = await makeFolder();
    const watched = await createPackages(folder.path).folderOfRanking('1.0.0', 'first');
    await using gateway = await startTestGateway({ workers, config: { modules: { watch: [watched] } } });
    using connected = connectGrpcWeb(gateway.baseUrl);
    const client = createClient(RankingService, connected.transport);
    const reason = async (): Promise<string | undefined> => (await client.rank({ callId: 'x' })).ranked[0]?.reason;
    expect(await reason()).toBe('first');
    await writeFile(join(watched, 'index.ts'), rankingSource('second'));
    await eventually(async () => expect(await reason()).toBe('second'));
    await writeFile(join(watched, 'index.ts'), 'this is no program');
    await eventually(() => expect(gateway.log.some((e) => e.message.includes('was not deployed'))).toBe(true));
    expect(await reason()).toBe('second');
    await writeFile(join(watched, 'index.ts'), rankingSource('third'));
    await eventually(async () => expect(await reason()).toBe('third'));
  });
});
