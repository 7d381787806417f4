import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openHistory, type History, type VersionRecord } from '../src/history.ts';
import { makeFolder } from './support/fixtures.ts';

function version(number: number, more: Partial<VersionRecord> = {}): Omit<VersionRecord, 'id'> {
  return {
    module: 'ranking',
    version: `${number}.0.0`,
    digest: `sha256:${String(number).padStart(64, '0')}`,
    source: './ranking',
    services: ['a.B'],
    schemaDigest: 'sha256:x',
    state: 'stored',
    reason: '',
    deployedAtMs: 1_700_000_000_000,
    ...more,
  };
}

async function open(file?: string): Promise<{ history: History; file: string }> {
  const path = file ?? join(await makeFolder(), 'history.sqlite');
  const history = openHistory(path);
  onTestFinished(() => {
    history.close();
  });
  return { history, file: path };
}

describe('history', () => {
  it('remembers versions and which were current, over a restart', async () => {
    const { history, file } = await open();
    const one = history.record(version(1));
    const two = history.record(version(2));
    history.setCurrent('ranking', one.id);
    expect(history.previous('ranking')).toBeUndefined();
    history.setCurrent('ranking', two.id);
    const { history: later } = await open(file);
    expect(later.current('ranking')).toEqual({ ...version(2), id: two.id });
    expect(later.previous('ranking')?.version).toBe('1.0.0');
    expect(later.modules()).toEqual(['ranking']);
  });

  it('keeps the previous one when the current one is made current again', async () => {
    const { history } = await open();
    const [one, two] = [history.record(version(1)), history.record(version(2))];
    for (const id of [one.id, two.id, two.id]) history.setCurrent('ranking', id);
    expect(history.previous('ranking')?.id).toBe(one.id);
  });

  it('keeps the id of a version that is recorded again, and lists it first', async () => {
    const { history } = await open();
    const one = history.record(version(1));
    history.record(version(2));
    expect(history.record(version(1, { reason: 'again' })).id).toBe(one.id);
    expect(history.list().map((record) => record.version)).toEqual(['1.0.0', '2.0.0']);
  });

  it('finds the latest bits of a version, but none that were refused', async () => {
    const { history } = await open();
    history.record(version(1));
    const rebuilt = history.record(version(1, { digest: `sha256:${'f'.repeat(64)}` }));
    history.record(version(1, { digest: '', state: 'refused', reason: 'no' }));
    expect(history.find('ranking', '1.0.0')?.id).toBe(rebuilt.id);
    expect(history.find('ranking', '3.0.0')).toBeUndefined();
  });

  it('forgets the oldest per module, never the current and the previous one', async () => {
    const { history } = await open();
    const records = Array.from({ length: 6 }, (_, index) => history.record(version(index + 1)));
    const other = history.record(version(1, { module: 'other' }));
    history.setCurrent('ranking', records[1]?.id ?? 0);
    history.setCurrent('ranking', records[0]?.id ?? 0);
    history.prune(2);
    expect(history.list().map(({ id }) => id)).toEqual([
      other.id,
      records[5]?.id,
      records[4]?.id,
      records[1]?.id,
      records[0]?.id,
    ]);
  });

  it('refuses a file of a newer layout', async () => {
    const { history, file } = await open();
    history.record(version(1));
    const db = new DatabaseSync(file);
    db.exec('PRAGMA user_version = 99');
    db.close();
    expect(() => openHistory(file)).toThrow('newer than this software knows');
  });

  it('names the file that is no history', async () => {
    const file = join(await makeFolder(), 'history.sqlite');
    await writeFile(file, 'not a database, but long enough to be read as one'.repeat(20));
    expect(() => openHistory(file)).toThrow(`${file} cannot be used: file is not a database`);
  });
});
