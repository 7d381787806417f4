import { renameSync } from 'node:fs';
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createVirtualClock, systemClock } from '@bascule/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { listOutsideInputs } from '../src/bundle-folder.ts';
import { isSource, watchFolder } from '../src/watch.ts';
import { makeFolder, packageJson, writeFiles } from './support/fixtures.ts';

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

  it('tells once of each save by a rename, of each new folder and of each removal', async () => {
    const folder = await writeFiles(await makeFolder(), { 'index.ts': '1', 'src/judge.ts': '1' });
    const before = await countWatches();
    const calls = createCounter();
    const watch = watchFolder({ folder, clock: systemClock, debounceMs: 400, onChange: () => calls.add() });
    const steps = [
      () => replace(join(folder, 'index.ts'), '2'),
      () => replace(join(folder, 'index.ts'), '3'),
      () => writeFile(join(folder, 'index.ts'), '4'),
      () => replace(join(folder, 'src/judge.ts'), '2'),
      () => replace(join(folder, 'src/judge.ts'), '3'),
      () => writeFiles(folder, { 'new/deep/a.ts': '1' }),
      () => replace(join(folder, 'new/deep/a.ts'), '2'),
      () => rename(join(folder, 'new'), join(folder, 'moved')),
      () => replace(join(folder, 'moved/deep/a.ts'), '3'),
      () => rm(join(folder, 'src'), { recursive: true }),
      () => writeFiles(folder, { 'src/judge.ts': '4' }),
      () => replace(join(folder, 'src/judge.ts'), '5'),
    ];
    for (const [index, step] of steps.entries()) {
      await step();
      await calls.reached(index + 1);
    }
    expect(calls.count()).toBe(steps.length);
    await writeFiles(folder, { 'node_modules/a/index.js': '1', '.git/HEAD': '1', 'src/.judge.ts.swp': '1' });
    await replace(join(folder, 'index.ts'), '5');
    await calls.reached(steps.length + 1);
    expect(await countWatches()).toBe(before + 4);
    watch.close();
    expect(await countWatches()).toBe(before);
  });

  it('finds a folder again that was away', async () => {
    const folder = await writeFiles(join(await makeFolder(), 'module'), { 'index.ts': '1' });
    const [calls, errors] = [createCounter(), createCounter()];
    const watch = watchFolder({
      folder,
      clock: systemClock,
      debounceMs: 10,
      onChange: () => calls.add(),
      onError: () => errors.add(),
    });
    onTestFinished(() => watch.close());
    await rename(folder, `${folder}-away`);
    await errors.reached(1);
    const told = calls.count();
    await rename(`${folder}-away`, folder);
    await calls.reached(told + 1);
    await replace(join(folder, 'index.ts'), '2');
    await calls.reached(told + 2);
    // Another one in its place, in one go.
    await writeFiles(`${folder}-next`, { 'index.ts': '3' });
    renameSync(folder, `${folder}-away`);
    renameSync(`${folder}-next`, folder);
    await calls.reached(told + 3);
    await replace(join(folder, 'index.ts'), '4');
    await calls.reached(told + 4);
  });

  it('watches no more folders than allowed, and says which it leaves out', async () => {
    const folder = await writeFiles(await makeFolder(), { 'a/1.ts': '', 'b/1.ts': '', 'c/1.ts': '' });
    const before = await countWatches();
    const errors: string[] = [];
    const watch = watchFolder({
      folder,
      clock: systemClock,
      maxFolders: 2,
      onChange: () => undefined,
      onError: ({ message }) => errors.push(message),
    });
    expect(await countWatches()).toBe(before + 2);
    watch.close();
    expect(errors).toEqual([expect.stringMatching(/^more than 2 folders; saves in .* go unnoticed$/)]);
  });

  it('watches files elsewhere that the module is made of, and asks anew which they are', async () => {
    const top = await makeFolder();
    const folder = await writeFiles(join(top, 'module'), {
      'package.json': packageJson('1.0.0'),
      'index.ts': "import '../shared/a.ts'; export default () => {};",
      'near.ts': '',
    });
    await writeFiles(top, { 'shared/a.ts': '1;', 'shared/b.ts': '1;', 'shared/unused.ts': '1;' });
    const before = await countWatches();
    const calls = createCounter();
    const listed = createCounter();
    const watch = watchFolder({
      folder,
      clock: systemClock,
      debounceMs: 100,
      onChange: () => calls.add(),
      inputs: () => listOutsideInputs(folder).finally(() => setImmediate(() => listed.add())),
    });
    await listed.reached(1);
    await replace(join(top, 'shared/a.ts'), "import './b.ts';");
    await calls.reached(1);
    await listed.reached(2);
    // One that does not build leaves watched what was.
    await replace(join(top, 'shared/b.ts'), 'const a = ;');
    await calls.reached(2);
    await listed.reached(3);
    await writeFile(join(top, 'shared/unused.ts'), '2;');
    await replace(join(top, 'shared/b.ts'), '2;');
    await calls.reached(3);
    await listed.reached(4);
    expect(calls.count()).toBe(3);
    watch.close();
    expect(await countWatches()).toBe(before);
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

/** Saves as editors and `sed -i` do. */
async function replace(file: string, text: string): Promise<void> {
  await writeFile(`${file}~`, text);
  await rename(`${file}~`, file);
}

/** Folders that the kernel watches for this process. */
async function countWatches(): Promise<number> {
  let count = 0;
  for (const name of await readdir('/proc/self/fdinfo')) {
    const info = await readFile(`/proc/self/fdinfo/${name}`, 'utf8').catch(() => '');
    count += info.match(/^inotify wd:/gm)?.length ?? 0;
  }
  return count;
}

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
