/**
 * Runs vitest with the arguments it is given. A test file whose process died of a signal is run once more, by itself:
 * JavaScript cannot do that to a process, so it says something of Node, seldom and at no place of ours. It is told
 * loudly, and a file whose process dies again fails. Everything else that is wrong fails at once.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

interface Report {
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly { readonly status: string }[];
  }[];
}

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

/** Files whose process died, if nothing else was wrong with the run. */
function diedIn({ text }: Run, report: string): string[] {
  const { numFailedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  if (numFailedTests > 0) return [];
  const plain = stripVTControlCharacters(text);
  const dead = [...plain.matchAll(/Worker exited unexpectedly with signal \w+ .*?running test file (\S+)/g)];
  const errors = Number(/Errors\D*?(\d+) error/.exec(plain)?.[1] ?? 0);
  const failed = testResults.filter(({ status }) => status === 'failed').map(({ name }) => name);
  const files = new Set(dead.map((match) => match[1] as string));
  // An error or a failed file beside them is something else.
  return dead.length === errors && failed.every((name) => files.has(name)) ? [...files] : [];
}

try {
  const report = given ?? join(folder, 'report.json');
  const first = await runVitest(process.argv.slice(2), report);
  process.exitCode = first.code;
  const died = first.code === 0 ? [] : diedIn(first, report);
  if (died.length > 0) {
    console.log(`\nThe process of ${died.join(', ')} died of a signal. Running it once more ...`);
    const again = await runVitest(died, join(folder, 'again.json'));
    process.exitCode = again.code;
    if (again.code === 0)
      console.log(`\n${died.join(', ')} passed when run again, after its process had died of a signal.`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
