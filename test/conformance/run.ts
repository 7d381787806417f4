import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { goTool } from '@bascule/testing/go-tool';
import type { Run } from './runs.ts';

/** What came of one run. */
export interface Outcome {
  readonly id: string;
  readonly passed: number;
  readonly total: number;
  /** The suite's words on each case that failed, and on what kept it from running. */
  readonly failures: readonly string[];
}

const PARALLEL = '4';

/** Runs the suite once. A run that breaks off has failed as a whole. */
export async function runSuite(run: Run): Promise<Outcome> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-suite-'));
  try {
    const file = join(folder, 'config.yaml');
    await writeFile(file, stringify(await configOf(run)));
    const parameters = ['--conf', file, '--mode', run.mode, '--max-servers', String(run.maxServers ?? 2)];
    if (run.mode === 'server') parameters.push('--parallel', PARALLEL);
    const { code, output } = await execute(await goTool('connectconformance'), [
      ...parameters,
      '--',
      process.execPath,
      ...run.program,
    ]);
    return toOutcome(run.id, code, output);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The file's features, narrowed. */
async function configOf(run: Run): Promise<unknown> {
  const text = await readFile(join(import.meta.dirname, 'config', run.config), 'utf8');
  const config = parse(text) as { features: Record<string, unknown> };
  return { ...config, features: { ...config.features, ...run.narrow } };
}

async function execute(program: string, parameters: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(program, parameters, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? 1, output };
}

function toOutcome(id: string, code: number, output: string): Outcome {
  const total = Number(/^Total cases: (\d+)$/m.exec(output)?.[1] ?? 0);
  const passed = Number(/^(\d+) passed, \d+ failed$/m.exec(output)?.[1] ?? 0);
  const failed = Number(/^\d+ passed, (\d+) failed$/m.exec(output)?.[1] ?? 0);
  const unrun = Number(/^Another (\d+) could not be run/m.exec(output)?.[1] ?? 0);
  if (code === 0 && total > 0 && passed === total && unrun === 0) return { id, passed, total, failures: [] };
  const failures = output.split(/^(?=FAILED: )/m).filter((part) => part.startsWith('FAILED: '));
  return {
    id,
    passed,
    total: Math.max(total, passed + failed + unrun),
    failures: failures.length > 0 ? failures : [output],
  };
}
