import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { listen } from '@bascule/wire';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startRig, TOKEN, type Rig } from './support/rig.ts';
import { run, type Ran } from './support/run.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await startRig();
});
afterAll(() => rig[Symbol.asyncDispose]());
beforeEach(() => {
  rig.refusal = '';
});
const bascule = (...args: string[]): Promise<Ran> =>
  run(args, { cwd: rig.folder, env: { BASCULE_OPERATOR: rig.operatorUrl } });

describe('tables for people', () => {
  test('endpoints', async () => {
    const ran = await bascule('endpoints');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    const lines = ran.stdout.trimEnd().split('\n');
    expect(lines[0]).toMatch(/^SERVICE +INSTANCE +ADDRESS +STATE +SOURCE +WEIGHT +OPEN +CALLS +FAILED$/);
    expect(lines[1]).toMatch(/^a\.B +b-1 +127\.0\.0\.1:5001 +ready +registry +1 +0 +12 +0$/);
    // Columns stand under their titles.
    expect(lines[1]?.indexOf('127.')).toBe(lines[0]?.indexOf('ADDRESS'));
    expect(lines).toHaveLength(3);
  });

  test('hold nothing that steers the terminal', async () => {
    const { stdout } = await bascule('endpoints');
    expect(stdout).toContain('b-?[2J');
    expect(stdout).not.toContain('\u001b');
  });

  test('have colours where they are wanted', async () => {
    const env = { BASCULE_OPERATOR: rig.operatorUrl, FORCE_COLOR: '1' };
    expect((await run(['endpoints'], { cwd: rig.folder, env })).stdout).toContain('\u001b[32mready');
  });

  test('versions', async () => {
    const { stdout, code } = await bascule('versions');
    expect(code).toBe(0);
    expect(stdout).toMatch(/ranking +1\.0\.0 +current +3 +0 +2023-11-1\d \d\d:\d\d:\d\d +0123456789ab +\/m\/ranking/);
    expect(stdout).toMatch(/0\.9\.0 +refused .*index\.ts:3: throws/);
  });

  test('status, with why the configuration was refused', async () => {
    const { stdout, code } = await bascule('status');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^configuration +revision 4$/m);
    expect(stdout).toContain('  bascule.yaml:2:9 listener.port: must be at most 65535');
  });

  test('nothing yet is said beside the result', async () => {
    const ran = await bascule('endpoints', 'no.Such');
    expect(ran).toMatchObject({ code: 0, stdout: '' });
    expect(ran.stderr).toContain('No endpoint is known yet');
  });
});

describe('JSON for machines', () => {
  test.each([
    [['endpoints'], { endpoints: [{ instanceId: 'b-1', calls: '12', openCalls: 0 }, {}] }],
    [['versions', 'ranking'], { versions: [{ state: 'VERSION_STATE_CURRENT' }, { reason: 'index.ts:3: throws' }] }],
    [['status'], { configRevision: '4', snapshotRevision: '0' }],
    [['rollback', 'ranking'], { version: { version: '0.9.0' }, previousVersion: '1.0.0' }],
  ])('%s', async (args, expected) => {
    for (const ran of [await bascule(...args, '--json'), await bascule('--json', ...args)]) {
      expect(ran).toMatchObject({ code: 0, stderr: '' });
      expect(ran.stdout.trimEnd()).not.toContain('\n');
      expect(JSON.parse(ran.stdout)).toMatchObject(expected);
    }
  });

  test('of an error', async () => {
    rig.refusal = 'index.ts:3 throws\nCorrect it.';
    const ran = await bascule('rollback', 'ranking', '--json');
    expect(ran).toMatchObject({ code: 1, stdout: '' });
    expect(JSON.parse(ran.stderr)).toEqual({
      error: 'index.ts:3 throws',
      code: 'failed_precondition',
      advice: 'Correct it.',
    });
  });
});

describe('deploy and rollback', () => {
  test('sends a .tgz as it is', async () => {
    const bytes = Buffer.alloc(700_000, 'module');
    await writeFile(join(rig.folder, 'ranking-2.0.0.tgz'), bytes);
    const ran = await bascule('deploy', 'ranking-2.0.0.tgz');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toBe(
      'ranking 2.0.0 is current (before: 1.0.0)\n203 ms: unpack 3, bundle 0, worker start 200, check 0, switch 0\n',
    );
    const sent = rig.deployed.pop();
    expect(sent?.source).toBe(join(rig.folder, 'ranking-2.0.0.tgz'));
    expect(sent?.bytes.equals(bytes)).toBe(true);
  });

  test('is refused with reason and advice', async () => {
    rig.refusal = 'index.ts:3 throws\nCorrect it.';
    await writeFile(join(rig.folder, 'bad.tgz'), 'x');
    const ran = await bascule('deploy', 'bad.tgz');
    expect(ran).toEqual({
      code: 1,
      stdout: '',
      stderr: 'error: index.ts:3 throws (failed_precondition)\nCorrect it.\n',
    });
  });

  test('of what is no module is not sent', async () => {
    await writeFile(join(rig.folder, 'notes.txt'), 'x');
    for (const [path, words] of [
      ['none', 'no such file or folder'],
      ['notes.txt', 'neither a folder nor a .tgz'],
    ] as const) {
      const ran = await bascule('deploy', path);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toContain(words);
    }
    expect(rig.deployed).toEqual([]);
  });

  test('rollback names both versions', async () => {
    expect((await bascule('rollback', 'ranking')).stdout).toBe('ranking 0.9.0 is current (before: 1.0.0)\n');
    expect((await bascule('rollback', 'ranking', '0.8.0')).stdout).toContain('ranking 0.8.0 is current');
  });
});

describe('the token and the operator', () => {
  const env = (more: Record<string, string> = {}): Record<string, string> => ({
    BASCULE_OPERATOR: rig.operatorUrl,
    ...more,
  });

  test('the token is found in a folder above', async () => {
    const below = join(rig.folder, 'a', 'b');
    await mkdir(below, { recursive: true });
    expect((await run(['status'], { cwd: below, env: env() })).code).toBe(0);
  });

  test('the token can be named, or stand in the environment', async () => {
    const elsewhere = join(rig.folder, '..');
    await writeFile(join(rig.folder, 'other-token'), TOKEN);
    const file = join(rig.folder, 'other-token');
    expect((await run(['status', '--token-file', file], { cwd: elsewhere, env: env() })).code).toBe(0);
    expect((await run(['status'], { cwd: elsewhere, env: env({ BASCULE_TOKEN_FILE: file }) })).code).toBe(0);
    expect((await run(['status'], { cwd: elsewhere, env: env({ BASCULE_TOKEN: TOKEN }) })).code).toBe(0);
  });

  test.each([
    ['is nowhere', [], {}, 'no token: there is no .bascule/token'],
    ['is not in the named file', ['--token-file', '/nonexistent'], {}, 'cannot be read (ENOENT)'],
    ['is another', [], { BASCULE_TOKEN: 'another' }, 'does not take the token (unauthenticated)'],
  ])('4 when the token %s', async (_name, args, more, words) => {
    const ran = await run(['status', ...args], { cwd: '/', env: env(more) });
    expect(ran).toMatchObject({ code: 4, stdout: '' });
    expect(ran.stderr).toContain(words);
    expect(ran.stderr).toContain('--token-file');
    expect(ran.stderr).not.toMatch(/ at .*:\d+:\d+/);
  });

  test('3 when nobody answers', async () => {
    const ran = await run(['endpoints', '--operator', 'http://127.0.0.1:1'], { cwd: rig.folder });
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(ran.stderr).toMatch(/^error: no gateway answers at http:\/\/127\.0\.0\.1:1\nStart a gateway/);
  });

  test('3 when another listener answers', async () => {
    const elsewhere = await listen({
      host: '127.0.0.1',
      port: 0,
      service: createKit({ routes() {} }).service,
      clock: systemClock,
    });
    try {
      const url = `http://127.0.0.1:${elsewhere.port}`;
      const ran = await run(['endpoints', '--operator', url], { cwd: rig.folder });
      expect(ran).toMatchObject({ code: 3, stdout: '' });
      expect(ran.stderr).toContain(`no operator's services at ${url}`);
      expect(ran.stderr).toContain('--operator');
    } finally {
      await elsewhere.close(0);
    }
  });

  test.each([
    [['nonsense'], "unknown command 'nonsense'"],
    [['rollback'], "missing required argument 'module'"],
    [['endpoints', '--frob'], "unknown option '--frob'"],
    [['status', '--operator', 'ftp://x'], 'It must be a URL'],
    [['gateway', '--port', '70000'], 'whole number from 0 to 65535'],
    [['registry', '--host', '0.0.0.0', '--open'], '0.0.0.0 is reached from other machines'],
    [['call', 'no-method'], '"no-method" names no method'],
    [['register', '--service', 'a b', '--address', '127.0.0.1:1', '--', 'true'], 'It must be a fully qualified name'],
  ])('2 for %s', async (args, words) => {
    const ran = await bascule(...args);
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain(words);
  });

  test('--help teaches, for each command, and is no failure', async () => {
    const all = await bascule('--help');
    expect(all.code).toBe(0);
    for (const words of ['Examples:', 'Exit codes:', 'BASCULE_TOKEN_FILE']) expect(all.stdout).toContain(words);
    const commands = [...all.stdout.matchAll(/^ {2}([a-z]+) (?:.*) {2,}/gm)].map((match) => match[1] as string);
    expect(commands).toEqual(
      expect.arrayContaining(['endpoints', 'versions', 'deploy', 'rollback', 'call', 'status', 'gateway', 'registry']),
    );
    for (const command of ['deploy', 'call', 'gateway']) {
      const ran = await bascule(command, '--help');
      expect(ran.code).toBe(0);
      expect(ran.stdout).toMatch(/Examples?:\n {2}bascule /);
    }
  });
});
