import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { lockFolder } from '../src/folder-lock.ts';
import { makeFolder } from './support/fixtures.ts';
import { startRig } from './support/rig.ts';

const LOCK = fileURLToPath(new URL('../src/folder-lock.ts', import.meta.url));

describe('folder lock', () => {
  it('keeps a second one out, with words that help, until the first has closed', async () => {
    const stateDir = await makeFolder();
    const first = await startRig(stateDir);
    await expect(startRig(stateDir)).rejects.toMatchObject({
      name: 'FolderInUse',
      reason: `the state folder ${stateDir} is in use by another gateway (process ${process.pid})`,
      advice: 'Stop that one, or give this one a folder of its own with --state-dir',
    });
    await first.close();
    await startRig(stateDir);
  });

  it('is free again after its owner was killed', async () => {
    const folder = await makeFolder();
    const code = `(await import(process.argv[1])).lockFolder(process.argv[2]); gc(); console.log('locked'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--expose-gc', '--input-type=module', '-e', code, LOCK, folder], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await exited;
    });
    await once(child.stdout, 'data');
    expect(() => lockFolder(folder)).toThrow(`another gateway (process ${child.pid})`);
    child.kill('SIGKILL');
    await exited;
    lockFolder(folder)();
  });
});
