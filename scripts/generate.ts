/** Makes the stubs from the protos. Offline: the plugin is a pinned package. `--check` fails when they are not current. */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TARGETS = [
  { template: 'buf.gen.yaml', out: 'packages/schema/src/gen' },
  { template: 'buf.gen.demo.yaml', out: 'apps/backend/gen' },
];

function generate(): void {
  for (const { template } of TARGETS) execFileSync('buf', ['generate', '--template', template], { stdio: 'inherit' });
}

function check(): void {
  const kept = mkdtempSync(join(tmpdir(), 'bascule-generate-'));
  try {
    TARGETS.forEach(({ out }, i) => cpSync(out, join(kept, String(i)), { recursive: true }));
    generate();
    for (const [i, { out }] of TARGETS.entries()) {
      execFileSync('diff', ['-r', join(kept, String(i)), out], { stdio: 'inherit' });
    }
  } catch {
    console.error('generated code is not current: run "npm run generate" and commit the result');
    process.exitCode = 1;
  } finally {
    rmSync(kept, { recursive: true, force: true });
  }
}

if (process.argv.includes('--check')) check();
else generate();
