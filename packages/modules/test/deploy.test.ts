import { Code } from '@bascule/core';
import { describe, expect, it } from 'vitest';
import { makeFolder, makeRanking, packageJson, servicesSource, writeFiles } from './support/fixtures.ts';
import { startRig } from './support/rig.ts';

describe('deploy', () => {
  it('serves a folder through a port, and says what it serves', async () => {
    const rig = await startRig(await makeFolder());
    const result = await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: './ranking' });
    expect(result).toMatchObject({ previousVersion: '', unchanged: false });
    expect(result.version).toMatchObject({
      module: 'ranking',
      version: '1.0.0',
      state: 'current',
      source: './ranking',
      services: ['demo.ranking.v1.RankingService'],
    });
    expect(rig.groups()).toHaveLength(1);
    expect(rig.groups()[0]?.endpoint).toMatchObject({
      protocol: 'port',
      moduleVersion: '1.0.0',
      labels: { module: 'ranking' },
    });
    const { outcome, response } = await rig.rank('a');
    expect(outcome.code).toBe(Code.ok);
    expect(response).toMatchObject({ callId: 'a', version: '1.0.0' });
  });

  it('gives new calls to v2 at once while a stream goes on with v1, whose worker ends with it', async () => {
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    const stream = rig.watch('s');
    await stream.reached(3);
    const { previousVersion } = await rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' });
    expect(previousVersion).toBe('1.0.0');
    expect((await rig.rank('b')).response?.version).toBe('2.0.0');
    const before = stream.messages.length;
    await stream.reached(before + 5);
    expect(rig.modules.versions().map(({ version, state }) => `${version} ${state}`)).toEqual([
      '2.0.0 current',
      '1.0.0 draining',
    ]);
    expect(new Set(stream.messages.map(({ version }) => version))).toEqual(new Set(['1.0.0']));
    expect(stream.messages.map(({ sequence }) => Number(sequence))).toEqual(
      stream.messages.map((_, index) => index + 1),
    );
    stream.cancel();
    await rig.logged(({ message, version }) => message === 'a module version ended' && version === '1.0.0');
    expect(rig.modules.versions().map(({ version, state }) => `${version} ${state}`)).toEqual([
      '2.0.0 current',
      '1.0.0 stored',
    ]);
  });

  it('keeps code and details of an error that the module throws with its own copy of connect', async () => {
    const rig = await startRig(await makeFolder());
    const rank = `throw new ConnectError('no such place', Code.NotFound, { 'x-why': 'moved' }, [{ desc: RankedSchema, value: create(RankedSchema, { id: 7 }) }]);`;
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { rank }), source: 'v1' });
    const { outcome, trailers } = await rig.rank('a');
    expect(outcome).toMatchObject({ code: Code.notFound, message: 'no such place', by: 'callee' });
    expect(trailers).toContain('x-why');
    expect(trailers).toContain('grpc-status-details-bin');
    const details = trailers[trailers.indexOf('grpc-status-details-bin') + 1] ?? '';
    expect(Buffer.from(details, 'base64').toString('latin1')).toContain('demo.ranking.v1.Ranked');
  });

  it('answers that nothing changed when the same bits are current already', async () => {
    const rig = await startRig(await makeFolder());
    const path = await makeRanking('1.0.0');
    await rig.modules.deploy({ path, source: 'v1' });
    const again = await rig.modules.deploy({ path, source: 'v1' });
    expect(again.unchanged).toBe(true);
    await expect(rig.published(1)).resolves.toBeUndefined();
    expect(rig.modules.versions()).toHaveLength(1);
  });

  it('takes deployments of one module in their order', async () => {
    const rig = await startRig(await makeFolder());
    const paths = await Promise.all(['1.0.0', '2.0.0', '3.0.0'].map((version) => makeRanking(version)));
    const results = await Promise.all(paths.map((path) => rig.modules.deploy({ path, source: path })));
    expect(new Set(results.map(({ previousVersion }) => previousVersion)).size).toBe(3);
    expect(rig.groups()).toHaveLength(1);
    const current = rig.modules.versions().filter(({ state }) => state === 'current');
    expect(current).toHaveLength(1);
    expect((await rig.rank('a')).response?.version).toBe(current[0]?.version);
  });
});

describe('rollback', () => {
  it('brings the stored bits back, also when the source is gone', async () => {
    const rig = await startRig(await makeFolder());
    const one = await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    await rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' });
    const back = await rig.modules.rollback('ranking');
    expect(back.version).toMatchObject({ version: '1.0.0', state: 'current', digest: one.version.digest });
    expect((await rig.rank('a')).response?.version).toBe('1.0.0');
    await rig.modules.rollback('ranking', '2.0.0');
    expect((await rig.rank('a')).response?.version).toBe('2.0.0');
  });

  it('starts a version anew that still drains', async () => {
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    const stream = rig.watch('s');
    await stream.reached(1);
    await rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' });
    await rig.modules.rollback('ranking');
    expect((await rig.rank('a')).response?.version).toBe('1.0.0');
    await stream.reached(stream.messages.length + 2);
    stream.cancel();
  });

  it('takes methods and services away that only the newer version has, and says which', async () => {
    const rig = await startRig(await makeFolder());
    const one = servicesSource({ 't.A': ['Get'] });
    const two = servicesSource({ 't.A': ['Get', 'Put'], 't.B': ['Get'] });
    await rig.modules.deploy({ path: await makeRanking('1.0.0', { source: one }), source: 'v1' });
    await rig.modules.deploy({ path: await makeRanking('2.0.0', { source: two }), source: 'v2' });
    expect(await rig.call('t.A/Put', 'ranking')).toMatchObject({ code: Code.ok });
    // As a new version the same would still be refused.
    const again = await makeRanking('1.0.1', { source: one });
    await expect(rig.modules.deploy({ path: again, source: 'v1' })).rejects.toThrow(
      'service t.B is in use and missing',
    );
    expect((await rig.modules.rollback('ranking')).version).toMatchObject({ version: '1.0.0', state: 'current' });
    expect(rig.groups()[0]?.endpoint.services).toEqual(['t.A']);
    expect(await rig.call('t.A/Get', 'ranking')).toMatchObject({ code: Code.ok });
    expect(await rig.call('t.A/Put', 'ranking')).toMatchObject({ code: Code.unimplemented, by: 'callee' });
    expect(await rig.call('t.B/Get', 'ranking')).toMatchObject({ code: Code.unimplemented, by: 'callee' });
    expect(await rig.logged(({ lost }) => lost !== undefined)).toMatchObject({
      level: 'warn',
      module: 'ranking',
      version: '1.0.0',
      lost: 'service t.B, method t.A/Put',
    });
  });

  it('is refused when another module has taken a service meanwhile', async () => {
    const rig = await startRig(await makeFolder());
    const both = servicesSource({ 't.A': ['Get'], 't.B': ['Get'] });
    await rig.modules.deploy({
      path: await makeRanking('1.0.0', { source: servicesSource({ 't.A': ['Get'] }) }),
      source: '1',
    });
    await rig.modules.deploy({ path: await makeRanking('2.0.0', { source: both }), source: '2' });
    await rig.modules.rollback('ranking');
    const other = await writeFiles(await makeFolder(), {
      'package.json': packageJson('1.0.0', { name: 'order' }),
      'index.ts': servicesSource({ 't.B': ['Get'] }),
    });
    await rig.modules.deploy({ path: other, source: 'order' });
    await expect(rig.modules.rollback('ranking')).rejects.toThrow('service t.B is served by the module "order"');
    expect(rig.groups().map(({ endpoint }) => endpoint.services)).toEqual([['t.B'], ['t.A']]);
  });

  it('refuses what it does not know', async () => {
    const rig = await startRig(await makeFolder());
    await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    await expect(rig.modules.rollback('ranking')).rejects.toThrow('has no version before the current one');
    await expect(rig.modules.rollback('ranking', '9.0.0')).rejects.toThrow('has no version 9.0.0');
    await expect(rig.modules.rollback('nobody')).rejects.toThrow('module "nobody"');
  });
});
