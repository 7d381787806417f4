import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createVirtualClock, type Endpoint } from '@bascule/core';
import type { SourceRecord } from '@bascule/discovery';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKnownSets, type KnownSets } from '../../src/control/known-sets.ts';
import { endpointOf } from '../support.ts';

const A = { name: 'consul://a', url: 'consul://a/x' };
const B = { name: 'b', url: 'etcd://b' };
const DAY_MS = 86_400_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-known-'));
});
afterEach(() => rm(folder, { recursive: true }));

function rig(maxAgeMs = 7 * DAY_MS) {
  const clock = createVirtualClock();
  const known = new Map<string, Endpoint[]>([
    [A.name, [endpointOf({ instanceId: 'one', schemaDigest: 'sha256:1' })]],
    [B.name, [endpointOf({ instanceId: 'two', schemaDigest: 'sha256:2' })]],
  ]);
  const schemas = new Map([
    ['sha256:1', Uint8Array.of(1)],
    ['sha256:2', Uint8Array.of(2)],
  ]);
  const states = new Map<string, SourceRecord['status']['state']>([
    [A.name, 'connected'],
    [B.name, 'connected'],
  ]);
  const errors: string[] = [];
  const open = (): KnownSets =>
    createKnownSets({
      clock,
      maxAgeMs,
      stateDir: folder,
      kept: () => [A, B],
      membership: {
        known: () => known,
        schemas: () => schemas,
        sources: () =>
          [...states].map(([name, state]) => ({ name, rank: 0, status: { state, sinceMs: 0 }, endpoints: 1 })),
      },
      onError: (name, error) => void errors.push(`${name}: ${error.message}`),
    });
  const idsOf = (sets: KnownSets, source: { name: string; url: string }) =>
    sets.before(source)?.endpoints.map(({ instanceId }) => instanceId);
  return { clock, known, states, errors, open, idsOf };
}

describe('last known sets', () => {
  it('are one for each source, with the descriptors of its own', async () => {
    const { open, idsOf, clock } = rig();
    const sets = open();
    sets.saveSoon();
    await sets.close();
    expect(clock.pending()).toBe(0);
    expect((await readdir(join(folder, 'last-known'))).length).toBe(2);
    expect([idsOf(open(), A), idsOf(open(), B)]).toEqual([['one'], ['two']]);
    expect([...(open().before(A)?.schemas ?? [])]).toEqual([['sha256:1', Uint8Array.of(1)]]);
    // The name of another system is not its own.
    expect(open().before({ ...A, url: 'consul://a/y' })).toBeUndefined();
  });

  it('are written soon after a change, and not again before the next', async () => {
    const { open, clock, known } = rig();
    const sets = open();
    sets.saveSoon();
    sets.saveSoon();
    clock.advance(200);
    await expect.poll(() => open().before(A)?.savedMs).toBe(clock.wallMs());
    const firstMs = clock.wallMs();
    clock.advance(1_000);
    sets.saveSoon();
    clock.advance(1_000);
    known.set(B.name, []);
    sets.saveSoon();
    clock.advance(1_000);
    await expect.poll(() => open().before(B)?.endpoints).toEqual([]);
    expect(open().before(A)?.savedMs).toBe(firstMs);
    await sets.close();
  });

  it('stay young while their source is connected, and age with its silence', async () => {
    const { open, clock, states } = rig();
    const sets = open();
    sets.saveSoon();
    clock.advance(200);
    await expect.poll(() => open().before(A)?.ageMs).toBe(0);
    states.set(B.name, 'stale');
    for (let hour = 0; hour < 3; hour++) {
      // The rest after a write begins when it has ended.
      await expect.poll(() => clock.pending()).toBe(1);
      clock.advance(3_600_000);
      await expect.poll(() => open().before(A)?.ageMs).toBe(0);
    }
    expect(open().before(B)?.ageMs).toBe(3 * 3_600_000);
    await sets.close();
    expect(open().before(B)?.ageMs).toBe(3 * 3_600_000);
  });

  it('hold what a source said just before it was lost', async () => {
    const { open, states, idsOf } = rig();
    const sets = open();
    sets.saveSoon();
    states.set(A.name, 'stale');
    sets.saveSoon();
    await sets.close();
    expect(idsOf(open(), A)).toEqual(['one']);
  });

  it('that are too old do not count, nor any of no age', async () => {
    const { open, clock } = rig(DAY_MS);
    await open().close();
    clock.advance(DAY_MS);
    expect(open().before(A)?.ageMs).toBe(DAY_MS);
    clock.advance(1);
    expect(open().before(A)).toBeUndefined();
    expect(rig(0).open().before(A)).toBeUndefined();
  });

  it('are not written where none counts', async () => {
    const { open, clock } = rig(0);
    const sets = open();
    sets.saveSoon();
    expect(clock.pending()).toBe(0);
    await sets.close();
    expect(await readdir(folder)).toEqual([]);
  });

  it('of sources that are gone are removed when no start would take them', async () => {
    const { open, clock } = rig(DAY_MS);
    await open().close();
    const names = await readdir(join(folder, 'last-known'));
    const place = (name: string): string => join(folder, 'last-known', name);
    const gone = names.map((name) => name.replace(/-[0-9a-f]{12}/, '-0123456789ab'));
    const [old = '', young = ''] = gone;
    for (const name of [...gone, `${old}.previous`, `${old}.new`, 'notes.json']) await writeFile(place(name), '');
    for (const name of [...names, old, `${old}.previous`, `${old}.new`, 'notes.json']) {
      const writtenMs = clock.wallMs() - DAY_MS - 1_000;
      await utimes(place(name), writtenMs / 1_000, writtenMs / 1_000);
    }
    await open().close();
    expect((await readdir(join(folder, 'last-known'))).toSorted()).toEqual(
      [...names, ...names.map((name) => `${name}.previous`), young, 'notes.json'].toSorted(),
    );
  });

  it('that cannot be written are told, and tried again with the next change', async () => {
    const { open, errors, idsOf, clock } = rig();
    const file = join(folder, 'last-known');
    await writeFile(file, 'a file where the folder should be');
    const sets = open();
    sets.saveSoon();
    clock.advance(200);
    // They are written at the same time, and fail in any order.
    const told = [expect.stringContaining('b: '), expect.stringContaining('consul://a: ')];
    await expect.poll(() => errors.toSorted()).toEqual(told);
    sets.saveSoon();
    clock.advance(10_000);
    await expect.poll(() => clock.pending()).toBe(1);
    expect(errors.length).toBe(2);
    await rm(file);
    sets.saveSoon();
    clock.advance(200);
    await expect.poll(() => idsOf(open(), B)).toEqual(['two']);
    await sets.close();
    expect(idsOf(open(), A)).toEqual(['one']);
  });
});
