import { execFile } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';

/** Where numbers come from: they mean little elsewhere. */
export interface Machine {
  readonly machine: string;
  /** Of this repository; "-dirty" when files differ from it. */
  readonly commit: string;
}

const run = promisify(execFile);

export async function describeMachine(): Promise<Machine> {
  const cores = cpus();
  const memoryGib = Math.round(totalmem() / 2 ** 30);
  const model = cores[0]?.model.replace(/\s+/g, ' ').trim() ?? 'unknown processor';
  return {
    machine: `${cores.length} x ${model}, ${memoryGib} GiB, Linux ${release()}, Node ${process.versions.node}`,
    commit: await readCommit(),
  };
}

async function readCommit(): Promise<string> {
  try {
    const cwd = import.meta.dirname;
    const { stdout: commit } = await run('git', ['rev-parse', '--short=12', 'HEAD'], { cwd });
    const { stdout: changes } = await run('git', ['status', '--porcelain', '--untracked-files=no'], { cwd });
    return commit.trim() + (changes === '' ? '' : '-dirty');
  } catch {
    return 'unknown';
  }
}
