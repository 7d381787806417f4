/**
 * Runs vitest with the arguments it is given. Thousands of tests with real servers and processes share a machine that
 * may be busy, so a file that fails is run once more, by itself, if no more than a few failed: a fault fails again. What
 * passes then is named at the end, with its first failure above, as a test or a race to be mended.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failedFiles, withAgain, type Report } from './report.ts';

/** More failing files than these are no accident. */
const MAX_AGAIN = 3;

interface Run {
  readonly code: number;
  readonly text: string;
}

const folder = mkdtempSync(join(tmpdir(), 'bascule-test-'));
const given = process.env['BASCULE_TEST_REPORT'];

function runVitest(args: readonly string[], report: string): Promise<Run> {
  const child = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args], {
    stdio: ['inherit', 'pipe', 'pipe'],
    env: {
      ...process.env,
      BASCULE_TEST_REPORT: report,
      ...(process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}),
    },
  });
  let text = '';
  for (const [from, to] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    from.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      to.write(chunk);
    });
  }
  return new Promise((resolve) => {
    child.on('close', (code) => resolve({ code: code ?? 1, text }));
  });
}

const read = (file: string): Report => JSON.parse(readFileSync(file, 'utf8')) as Report;

/** The exit code of what failed at first and was run again. */
async function runAgain(first: Run, file: string): Promise<number> {
  const report = read(file);
  const failed = failedFiles(report, first.text) ?? [];
  if (failed.length === 0 || failed.length > MAX_AGAIN) return first.code;
  console.log(`\nRunning again what failed: ${failed.join(', ')}`);
  const againFile = join(folder, 'again.json');
  const again = await runVitest([...failed, '--no-file-parallelism'], againFile);
  writeFileSync(file, JSON.stringify(withAgain(report, read(againFile))));
  if (again.code === 0) console.log(`\nUNSTEADY, failed at first and passed when run again: ${failed.join(', ')}`);
  return again.code;
}

try {
  const report = given ?? join(folder, 'report.json');
  const first = await runVitest(process.argv.slice(2), report);
  process.exitCode = first.code === 0 ? 0 : await runAgain(first, report);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
