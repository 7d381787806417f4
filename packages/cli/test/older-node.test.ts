import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { run, start } from './support/run.ts';

/** The machine's own Node, where it is older than what the sources need. */
function findOlderNode(): string | undefined {
  for (const node of ['/usr/bin/node', '/usr/local/bin/node']) {
    try {
      const major = Number(/^v(\d+)\./.exec(execFileSync(node, ['--version'], { encoding: 'utf8' }))?.[1]);
      if (major >= 18 && major < 24) return node;
    } catch {
      continue;
    }
  }
  return undefined;
}

const node = findOlderNode();
const folder = mkdtempSync(join(tmpdir(), 'bascule-node-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe.skipIf(node === undefined)('under an older Node', () => {
  const options = { cwd: folder, node: node as string };

  test('the command runs with the one of the workspace, and hands its exit code on', async () => {
    expect(await run(['--help'], options)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('Usage: bascule'),
    });
    expect((await run(['nonsense'], options)).code).toBe(2);
    expect((await run(['status'], options)).code).toBe(4);
  });

  test('signals reach it, and it ends before the process that was asked', async () => {
    const running = start(['registry', '--port', '0'], options);
    await running.said('registry at ');
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  test('it does not start itself forever', async () => {
    const ran = await run(['--help'], { ...options, env: { BASCULE_NODE_STARTED: '1' } });
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('error: Bascule needs Node 24') });
  });
});
