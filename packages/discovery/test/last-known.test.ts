import { createHash } from 'node:crypto';
import { appendFile, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom, createVirtualClock, systemClock } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
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
/** A file that is whole, whatever it says. */
const withChecksum = (text: string): string => {
  const lines = text
    .split('\n')
    .slice(0, -2)
    .map((line) => `${line}\n`)
    .join('');
  return `${lines}{"sha256":"${createHash('sha256').update(lines).digest('hex')}"}\n`;
};
const idsOf = (state: KnownState | undefined) => state?.endpoints.map((endpoint) => endpoint.instanceId);

describe('a last known set', () => {
  it('comes back as it was', async () => {
    await open().save(stateOf('a', 'b'));
    const state = open().load();
    expect(state?.endpoints).toEqual(stateOf('a', 'b').endpoints);
    expect(state?.schemas.get('sha256:00')).toEqual(new Uint8Array([0, 255, 10]));
  });

  it('is whole with thousands of endpoints', async () => {
    const ids = Array.from({ length: 1_000 }, (_, n) => `i${n}`);
    await open().save(stateOf(...ids));
    expect(idsOf(open().load())).toEqual(ids);
  });

  it('knows its age, and is not there when it is too old', async () => {
    const clock = createVirtualClock();
    const lastKnown = createLastKnown({ file, clock });
    const savedMs = clock.wallMs();
    await lastKnown.save(stateOf('a'));
    clock.advance(1_000);
    expect(lastKnown.load({ maxAgeMs: 1_000 })).toMatchObject({ savedMs, ageMs: 1_000, isFromFuture: false });
    clock.advance(1);
    expect(lastKnown.load({ maxAgeMs: 1_000 })).toBeUndefined();
    expect(lastKnown.load()?.ageMs).toBe(1_001);
  });

  it('counts as fresh when it comes from the future, and says so', async () => {
    await createLastKnown({ file, clock: createVirtualClock(1, 60_000) }).save(stateOf('a'));
    const loaded = createLastKnown({ file, clock: createVirtualClock() }).load({ maxAgeMs: 0 });
    expect(loaded).toMatchObject({ ageMs: 0, isFromFuture: true });
    expect(idsOf(loaded)).toEqual(['a']);
  });

  it('is undefined where there is none', () => expect(open().load()).toBeUndefined());

  it('falls back to the generation before, whatever has become of the file', async () => {
    const spoil: ((text: string) => Promise<void>)[] = [
      (text) => truncate(file, Math.floor(text.length / 2)),
      (text) => truncate(file, text.length - 1),
      () => truncate(file, 0),
      () => rm(file),
      () => writeFile(file, 'null\n{}\n'),
      () => appendFile(file, 'more'),
      () => appendFile(file, '\n'),
      (text) => writeFile(file, text.slice(text.indexOf('\n') + 1)),
      (text) => writeFile(file, withChecksum(text.replace('"version":3', '"version":2'))),
      (text) => writeFile(file, withChecksum(text.replace('"version":3', '"version":4'))),
      () => writeFile(file, withChecksum('')),
    ];
    for (const spoilFile of spoil) {
      const lastKnown = open();
      await lastKnown.save(stateOf('old'));
      await lastKnown.save(stateOf('new'));
      expect(open().load()?.isPrevious).toBe(false);
      expect(idsOf(open().load())).toEqual(['new']);
      await spoilFile(await readFile(file, 'utf8'));
      expect(idsOf(open().load())).toEqual(['old']);
      expect(open().load()?.isPrevious).toBe(true);
    }
  });

  it('never throws and never believes a flipped bit', async () => {
    await open().save(stateOf('old'));
    await open().save(stateOf('new'));
    const whole = await readFile(file);
    const { seed } = fuzzing(1);
    const random = createRandom(seed);
    for (let turn = 0; turn < 200; turn++) {
      const spoilt = Buffer.from(whole);
      const at = Math.floor(random() * spoilt.length);
      spoilt[at] = (spoilt[at] as number) ^ (1 << Math.floor(random() * 8));
      await writeFile(file, spoilt);
      // A flip inside the version's own line may still read as the same header; the content never differs.
      expect([['old'], ['new']], `FUZZ_SEED=${seed}, byte ${at}`).toContainEqual(idsOf(open().load()));
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
