/** Everything that is checked without running the product: one line per check, the output only of those that fail. */
import { spawnSync } from 'node:child_process';

const CHECKS: readonly { readonly name: string; readonly command: readonly string[] }[] = [
  { name: 'format', command: ['oxfmt', '--check', '.'] },
  { name: 'lint', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'types', command: ['tsc', '-p', 'tsconfig.json'] },
  { name: 'types in the browser', command: ['tsc', '-p', 'tsconfig.browser.json'] },
  { name: 'types of the page', command: ['tsc', '-p', 'apps/web'] },
  { name: 'types of the browser transport', command: ['tsc', '-p', 'packages/web/test'] },
  { name: 'unused files, exports, dependencies', command: ['knip'] },
  { name: 'buf lint', command: ['buf', 'lint'] },
  { name: 'generated code is current', command: ['node', 'scripts/generate.ts', '--check'] },
];

let failed = 0;
for (const { name, command } of CHECKS) {
  const started = performance.now();
  const result = spawnSync(command[0] as string, command.slice(1), { encoding: 'utf8' });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${result.status === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (result.status !== 0) {
    failed++;
    console.log(result.error?.message ?? result.stdout + result.stderr);
  }
}
console.log(`check: ${CHECKS.length - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
