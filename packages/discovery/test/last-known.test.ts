import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, systemClock } from '@bascule/core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLastKnown, type KnownState } from '../src/last-known.ts';
import { createEndpoint } from './rig.ts';

let folder = '';
let file = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-last-known-'));
  file = join(folder, 'state', 'endpoints');
});
afterEach(() => rm(folder, { recursive: true }));

const open = () => createLastKnown({ file, clock: systemClock });
const stateOf = (...instanceIds: string[]): KnownState => ({
  endpoints: instanceIds.map((instanceId) => createEndpoint({ instanceId, labels: { café: '\u2713' } })),
  schemas: new Map([['sha256:00', new Uint8Array([0, 255, 10])]]),
});
const idsOf = (state: KnownState | undefined) => state?.endpoints.map((endpoint) => endpoint.instanceId);

describe('a last known set', () => {
  it('comes back as it was', async () => {
    await open().save(stateOf('a', 'b'));
    const state = open().load();
    expect(state?.endpoints).toEqual(stateOf('a', 'b').endpoints);
    expect(state?.schemas.get('sha256:00')).toEqual(new Uint8Array([0, 255, 10]));
  });

  it('is undefined where there is none', () => expect(open().load()).toBeUndefined());

  it('falls back to the generation before, whatever has become of the file', async () => {
    const spoil: ((text: string) => Promise<void>)[] = [
      (text) => truncate(file, Math.floor(text.length / 2)),
      (text) => truncate(file, text.length - 1),
      () => truncate(file, 0),
      () => rm(file),
      () => writeFile(file, 'null\n{}\n'),
      (text) => writeFile(file, text.replace('"version":1', '"version":2')),
      () => appendFile(file, 'more'),
    ];
    for (const spoilFile of spoil) {
      const lastKnown = open();
      await lastKnown.save(stateOf('old'));
      await lastKnown.save(stateOf('new'));
      expect(idsOf(open().load())).toEqual(['new']);
      await spoilFile(await readFile(file, 'latin1'));
      expect(idsOf(open().load())).toEqual(['old']);
    }
  });

  it('never throws and never believes a flipped bit', async () => {
    await open().save(stateOf('old'));
    await open().save(stateOf('new'));
    const whole = await readFile(file);
    const seed = Date.now() % 100_000;
    const random = createRandom(seed);
    for (let turn = 0; turn < 200; turn++) {
      const spoilt = Buffer.from(whole);
      const at = Math.floor(random() * spoilt.length);
      spoilt[at] = (spoilt[at] as number) ^ (1 << Math.floor(random() * 8));
      await writeFile(file, spoilt);
      // A flip inside the version's own line may still read as the same header; the content never differs.
      expect([['old'], ['new']], `seed ${seed}, byte ${at}`).toContainEqual(idsOf(open().load()));
    }
  });

  it('keeps the latest of many saves, and leaves no other file', async () => {
    const lastKnown = open();
    await lastKnown.save(stateOf('first'));
    await Promise.all(Array.from({ length: 20 }, (_, n) => lastKnown.save(stateOf(`i${n}`))));
    expect(idsOf(open().load())).toEqual(['i19']);
    expect((await readdir(join(folder, 'state'))).sort()).toEqual(['endpoints', 'endpoints.previous']);
  });

  it('says when it cannot be written, and can be written after', async () => {
    await writeFile(join(folder, 'state'), 'a file where the folder should be');
    const lastKnown = open();
    await expect(lastKnown.save(stateOf('a'))).rejects.toThrow();
    await rm(join(folder, 'state'));
    await lastKnown.save(stateOf('b'));
    expect(idsOf(open().load())).toEqual(['b']);
  });
});
