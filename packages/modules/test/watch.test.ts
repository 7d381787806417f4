import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createVirtualClock, systemClock } from '@bascule/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { isSource, watchFolder } from '../src/watch.ts';
import { makeFolder, writeFiles } from './support/fixtures.ts';

describe('watch', () => {
  it.each([
    ['index.ts', true],
    ['src/deep/data.json', true],
    ['node_modules/a/index.js', false],
    ['src/node_modules/a.js', false],
    ['.git/HEAD', false],
    ['src/.index.ts.swp', false],
    ['index.ts~', false],
    ['#index.ts#', false],
    ['4913', false],
    ['index.ts.tmp', false],
  ])('knows whether %s is a source', (path, expected) => {
    expect(isSource(path)).toBe(expected);
  });

  it('tells once of a burst, of renames into place and of files in new folders', async () => {
    const folder = await writeFiles(await makeFolder(), { 'index.ts': '1' });
    const calls = createCounter();
    const watch = watchFolder({ folder, clock: systemClock, debounceMs: 30, onChange: () => calls.add() });
    onTestFinished(() => watch.close());
    for (const text of ['2', '3', '4']) await writeFile(join(folder, 'index.ts'), text);
    await calls.reached(1);
    await writeFile(join(folder, 'index.ts~'), '5');
    await rename(join(folder, 'index.ts~'), join(folder, 'index.ts'));
    await calls.reached(2);
    await writeFiles(folder, { 'src/new.ts': '1' });
    await calls.reached(3);
  });

  it('does not run twice at once, and runs again for what was saved meanwhile', async () => {
    const folder = await writeFiles(await makeFolder(), { 'index.ts': '1' });
    const calls = createCounter();
    let running = 0;
    const watch = watchFolder({
      folder,
      clock: systemClock,
      debounceMs: 10,
      async onChange() {
        running++;
        expect(running).toBe(1);
        if (calls.count() === 0) await writeFile(join(folder, 'index.ts'), '3');
        await sleep(50);
        running--;
        calls.add();
      },
    });
    onTestFinished(() => watch.close());
    await writeFile(join(folder, 'index.ts'), '2');
    await calls.reached(2);
  });

  it('tells nothing after close, though a change was waiting', async () => {
    const folder = await writeFiles(await makeFolder(), { 'index.ts': '1' });
    const clock = createVirtualClock();
    const seen = createCounter();
    const calls = createCounter();
    const watch = watchFolder({
      folder,
      clock: { ...clock, after: (...given) => (seen.add(), clock.after(...given)) },
      onChange: () => calls.add(),
    });
    await writeFile(join(folder, 'index.ts'), '2');
    await seen.reached(1);
    watch.close();
    clock.advance(1_000);
    expect(clock.pending()).toBe(0);
    expect(calls.count()).toBe(0);
  });
});

function createCounter(): { add(): void; count(): number; reached(count: number): Promise<void> } {
  let count = 0;
  const waiting: { count: number; resolve: () => void }[] = [];
  return {
    add() {
      count++;
      for (const waiter of waiting) if (waiter.count <= count) waiter.resolve();
    },
    count: () => count,
    reached: (wanted) =>
      new Promise((resolve) => {
        if (count >= wanted) resolve();
        else waiting.push({ count: wanted, resolve });
      }),
  };
}
