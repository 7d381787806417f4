import { readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeFolder, makeRanking, rankingSource, writeFiles } from './support/fixtures.ts';
import { startRig } from './support/rig.ts';
import { countWorkers } from './support/threads.ts';

describe('restore', () => {
  it('runs the stored bits of what was current, and knows the one before', async () => {
    const stateDir = await makeFolder();
    const first = await startRig(stateDir);
    await first.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    const folder = await makeRanking('2.0.0');
    const { version } = await first.modules.deploy({ path: folder, source: 'v2' });
    await first.close();
    await rm(folder, { recursive: true });
    const second = await startRig(stateDir);
    expect(second.groups()).toEqual([]);
    await second.modules.restore();
    expect(second.modules.versions()[0]).toMatchObject({ ...version, openCalls: 0 });
    expect((await second.rank('a')).response?.version).toBe('2.0.0');
    await second.modules.rollback('ranking');
    expect((await second.rank('b')).response?.version).toBe('1.0.0');
  });

  it('tries again and again what does not start, until it does', async () => {
    const stateDir = await makeFolder();
    const flag = join(await makeFolder(), 'database');
    const source = `import { existsSync } from 'node:fs';\nif (!existsSync(${JSON.stringify(flag)})) throw new Error('no database');\n${rankingSource()}`;
    await writeFile(flag, '');
    const first = await startRig(stateDir);
    await first.modules.deploy({ path: await makeRanking('1.0.0', { source }), source: 'v1' });
    await first.close();
    await rm(flag);
    const second = await startRig(stateDir);
    await second.modules.restore();
    expect(second.groups()).toEqual([]);
    expect((await second.logged(({ message }) => message.includes('crashed'))).reason).toContain('no database');
    await writeFile(flag, '');
    await second.published(1);
    expect((await second.rank('a')).response?.version).toBe('1.0.0');
  });

  it('runs no bits that were changed in the store, and serves again after a deployment', async () => {
    const stateDir = await makeFolder();
    const path = await makeRanking('1.0.0');
    const first = await startRig(stateDir);
    await first.modules.deploy({ path, source: 'v1' });
    await first.close();
    const store = join(stateDir, 'modules/store');
    const [digest = ''] = await readdir(store);
    await writeFiles(join(store, digest), { 'bundle.mjs': 'process.exit(1);' });
    const second = await startRig(stateDir);
    await second.modules.restore();
    expect(second.groups()).toEqual([]);
    expect((await second.logged(({ level }) => level === 'error')).reason).toContain('missing or damaged');
    await second.modules.deploy({ path, source: 'v1' });
    expect((await second.rank('a')).response?.version).toBe('1.0.0');
  });

  it('keeps history, store, workers and ports bounded', async () => {
    const stateDir = await makeFolder();
    const rig = await startRig(stateDir, { maxHistory: 3 });
    const countPorts = (): number => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;
    const settled = async (version: string): Promise<number> => {
      await rig.logged((event) => event.message === 'a module version ended' && event.version === version);
      await expect.poll(() => countWorkers()).toBe(1);
      return countPorts();
    };
    for (const patch of [1, 2]) await rig.modules.deploy({ path: await makeRanking(`1.0.${patch}`), source: 'v' });
    const ports = await settled('1.0.1');
    for (const patch of [3, 4, 5]) await rig.modules.deploy({ path: await makeRanking(`1.0.${patch}`), source: 'v' });
    await settled('1.0.4');
    // The ports of a worker close some turns after it has left: a leak is what stays.
    await expect.poll(() => countPorts()).toBeLessThanOrEqual(ports);
    expect(rig.modules.versions().map(({ version }) => version)).toEqual(['1.0.5', '1.0.4', '1.0.3']);
    expect((await readdir(join(stateDir, 'modules/store'))).length).toBeLessThanOrEqual(3);
  });
});

describe('close', () => {
  it('ends a deployment under way, and takes no more', async () => {
    const rig = await startRig(await makeFolder());
    const source = 'console.log("loading"); await new Promise(() => {}); export default () => {};';
    const deploying = rig.modules.deploy({ path: await makeRanking('1.0.0', { source }), source: 'v1' });
    const refused = expect(deploying).rejects.toMatchObject({ name: 'ModuleRefused' });
    await rig.logged(({ message }) => message === 'loading');
    await rig.close();
    await refused;
    await expect(rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' })).rejects.toThrow('closing');
    await expect.poll(() => process.getActiveResourcesInfo()).not.toContain('MessagePort');
    expect(countWorkers()).toBe(0);
  });

  it('ends the spare worker', async () => {
    const rig = await startRig(await makeFolder(), { spareWorker: true });
    await rig.modules.deploy({ path: await makeRanking('1.0.0'), source: 'v1' });
    await rig.modules.deploy({ path: await makeRanking('2.0.0'), source: 'v2' });
    expect((await rig.rank('a')).response?.version).toBe('2.0.0');
    await expect.poll(() => countWorkers()).toBe(2);
    await rig.close();
    expect(countWorkers()).toBe(0);
  });
});
