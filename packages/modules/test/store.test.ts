import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openStore } from '../src/store.ts';
import { makeFolder } from './support/fixtures.ts';

const MANIFEST = { module: 'ranking', version: '1.0.0', name: '@demo/ranking' };
const BITS = Buffer.from('export default () => {};');

describe('store', () => {
  it('keeps bits under their digest, once', async () => {
    const folder = join(await makeFolder(), 'store');
    const store = await openStore(folder);
    const digests = await Promise.all([
      store.put(BITS, MANIFEST),
      store.put(BITS, MANIFEST),
      store.put(BITS, MANIFEST),
    ]);
    expect(new Set(digests).size).toBe(1);
    expect(await readdir(folder)).toHaveLength(1);
    const path = await store.pathOf(digests[0] ?? '');
    expect(await readFile(path)).toEqual(BITS);
    expect(JSON.parse(await readFile(join(path, '../manifest.json'), 'utf8'))).toEqual({
      ...MANIFEST,
      digest: digests[0],
    });
  });

  it('gives no path to bits that were changed, and heals them at the next put', async () => {
    const store = await openStore(await makeFolder());
    const digest = await store.put(BITS, MANIFEST);
    const path = await store.pathOf(digest);
    await writeFile(path, 'process.exit()');
    await expect(store.pathOf(digest)).rejects.toThrow('missing or damaged');
    await store.put(BITS, MANIFEST);
    expect(await readFile(await store.pathOf(digest))).toEqual(BITS);
  });

  it('takes no digest that is a path', async () => {
    const store = await openStore(await makeFolder());
    await expect(store.pathOf('sha256:../../etc')).rejects.toThrow('is not a digest');
  });

  it('sweeps what is not kept and nothing else', async () => {
    const folder = await makeFolder();
    const store = await openStore(folder);
    const kept = await store.put(BITS, MANIFEST);
    const old = await store.put(Buffer.from('old'), MANIFEST);
    await writeFile(join(folder, 'README'), 'not ours');
    await store.sweep(new Set([kept]));
    await store.pathOf(kept);
    await expect(store.pathOf(old)).rejects.toThrow('missing');
    expect(await readdir(folder)).toContain('README');
  });

  it('removes at opening what a crash left half written', async () => {
    const folder = await makeFolder();
    await mkdir(join(folder, 'temp-abc'));
    await openStore(folder);
    expect(await readdir(folder)).toEqual([]);
  });
});
