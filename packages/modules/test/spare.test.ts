import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { systemClock } from '@bascule/core';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createBundler } from '../src/bundle.ts';
import { DEFAULT_LIMITS } from '../src/limits.ts';
import type { LogEvent } from '../src/log.ts';
import { createThreadSupply } from '../src/spare.ts';
import { buildWorkerCode } from '../src/worker-code.ts';
import { createWorkerHost } from '../src/worker-host.ts';
import type { WorkerState } from '../src/worker-state.ts';
import { makeFolder } from './support/fixtures.ts';
import { countWorkers } from './support/threads.ts';

const expectWorkers = (count: number): Promise<void> => expect.poll(() => countWorkers()).toBe(count);

async function buildCode(folder: string, maxBytes: number): Promise<{ code: URL; log: LogEvent[] }> {
  const bundler = createBundler(maxBytes);
  onTestFinished(() => bundler.close());
  const log: LogEvent[] = [];
  return { code: await buildWorkerCode(folder, bundler, (event) => log.push(event)), log };
}

describe('supply of threads', () => {
  it('starts the next spare one as soon as the last was taken, and ends it', async () => {
    const { code } = await buildCode(await makeFolder(), DEFAULT_LIMITS.maxUnpackedBytes);
    const supply = createThreadSupply({ code, limits: DEFAULT_LIMITS, clock: systemClock });
    await expectWorkers(0);
    supply.prepare();
    supply.prepare();
    await expectWorkers(1);
    const [first, second] = [supply.take(), supply.take()];
    expect(first).not.toBe(second);
    await expectWorkers(3);
    await supply.close();
    await expectWorkers(2);
    await Promise.all([first.end('test'), second.end('test')]);
    await expectWorkers(0);
  });

  it('keeps none where none is wanted', async () => {
    const { code } = await buildCode(await makeFolder(), DEFAULT_LIMITS.maxUnpackedBytes);
    const supply = createThreadSupply({ code, limits: { ...DEFAULT_LIMITS, spareWorker: false }, clock: systemClock });
    supply.prepare();
    const thread = supply.take();
    await expectWorkers(1);
    await thread.end('test');
    await supply.close();
  });
});

describe('a machine without threads', () => {
  // Nothing to start from makes Node throw in the same place.
  const options = { code: new URL('http://127.0.0.1/'), limits: DEFAULT_LIMITS, clock: systemClock };

  it('has no spare one, and says so to who takes one', async () => {
    const supply = createThreadSupply(options);
    supply.prepare();
    expect(() => supply.take()).toThrow('file');
    await supply.close();
  });

  it('fails the start of a version, with the reason', async () => {
    const states: WorkerState[] = [];
    const host = createWorkerHost({
      ...options,
      module: 'a',
      version: '1.0.0',
      digest: '',
      bundlePath: '',
      mustRun: false,
      takeThread: () => createThreadSupply(options).take(),
      nextIncarnation: () => 1,
      onChange: (state) => void states.push(state),
      onOutput: () => undefined,
    });
    await host.settled;
    expect(states).toMatchObject([{ state: 'failed', reason: expect.stringContaining('file') as string }]);
    await host.ended;
  });
});

describe('code of workers', () => {
  it('is one file in the folder', async () => {
    const folder = await makeFolder();
    const { code, log } = await buildCode(folder, DEFAULT_LIMITS.maxUnpackedBytes);
    expect(code).toEqual(pathToFileURL(join(folder, 'worker.mjs')));
    expect(log).toEqual([]);
  });

  it('is the sources where it cannot be built', async () => {
    const { code, log } = await buildCode(await makeFolder(), 1);
    expect(code.pathname).toMatch(/worker\/entry\.\w+$/);
    expect(log).toMatchObject([{ level: 'warn', reason: expect.stringContaining('0 MiB') as string }]);
  });
});
