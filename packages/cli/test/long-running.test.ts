import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createBearerInterceptor } from '@bascule/client';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run, start, type Running } from './support/run.ts';

let folder: string;
let running: Running | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-run-'));
});
afterEach(async () => {
  running?.child.kill('SIGKILL');
  await running?.ended;
  running = undefined;
  await rm(folder, { recursive: true });
});

const ZERO = ['--port', '0', '--operator-port', '0'];

async function startGateway(...args: string[]): Promise<{ api: string; operator: string }> {
  running = start(['gateway', '--json', ...ZERO, ...args], { cwd: folder });
  await running.said('"api":');
  return readAddresses();
}

/** The line that names the addresses; the access log may stand beside it. */
function readAddresses(): { api: string; operator: string; registry: string } {
  const text = (running as Running).stdout();
  return JSON.parse(text.split('\n').find((line) => /^\{"(api|registry)":/.test(line)) ?? '{}') as {
    api: string;
    operator: string;
    registry: string;
  };
}

describe('gateway', () => {
  test('runs with no file, answers the other commands, and stops gracefully', async () => {
    const { operator } = await startGateway();
    const env = { BASCULE_OPERATOR: operator };
    expect(await run(['status', '--json'], { cwd: folder, env })).toMatchObject({ code: 0, stderr: '' });
    expect((await run(['endpoints'], { cwd: folder, env })).code).toBe(0);
    expect((await run(['versions'], { cwd: folder, env })).code).toBe(0);
    expect(await run(['rollback', 'none'], { cwd: folder, env })).toMatchObject({ code: 1 });
    expect((await run(['status'], { cwd: '/', env: { ...env, BASCULE_TOKEN: 'wrong' } })).code).toBe(4);
    running?.child.kill('SIGTERM');
    expect((await running?.ended)?.code).toBe(0);
    expect((await run(['status'], { cwd: folder, env })).code).toBe(3);
  });

  test('reads bascule.yaml where it stands, and the command line wins', async () => {
    await writeFile(join(folder, 'bascule.yaml'), 'stateDir: state\nlistener: {port: 1}\n');
    await startGateway();
    expect((await stat(join(folder, 'state', 'token'))).mode & 0o777).toBe(0o600);
    expect(existsSync(join(folder, '.bascule'))).toBe(false);
    running?.child.kill('SIGINT');
    expect((await running?.ended)?.code).toBe(0);
  });

  test('tells what is wrong with a file, with its place', async () => {
    await writeFile(join(folder, 'bascule.yaml'), 'listener:\n  port: 70000\n  hots: a\n');
    const ran = await run(['gateway'], { cwd: folder });
    expect(ran).toMatchObject({ code: 2, stdout: '' });
    expect(ran.stderr).toContain('bascule.yaml:3:3 listener.hots: is not a known field. Did you mean "host"?');
    const missing = await run(['gateway', '--config', 'other.yaml'], { cwd: folder });
    expect(missing.code).toBe(2);
    expect(missing.stderr).toContain('other.yaml:1:1 does not exist.');
  });

  test('names a port that is in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const ran = await run(['gateway', '--port', String(port), '--operator-port', '0'], { cwd: folder });
    server.close();
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain(`error: port ${port} of 127.0.0.1 is in use\nStop what listens there`);
  });

  test('for a launcher: waits out Ctrl-C, and ends with standard input', async () => {
    const { operator } = await startGateway('--exit-with-stdin');
    running?.child.kill('SIGINT');
    const env = { BASCULE_OPERATOR: operator };
    expect((await run(['status'], { cwd: folder, env })).code).toBe(0);
    running?.child.stdin?.end();
    expect((await running?.ended)?.code).toBe(0);
  });
});

describe('under a launcher that goes on', () => {
  test.each([
    ['gateway', ZERO, '"api":'],
    ['registry', ['--port', '0'], '"registry":'],
  ])('%s ends on SIGTERM though its standard input stays open', async (command, ports, word) => {
    running = start([command, '--json', '--exit-with-stdin', ...ports], { cwd: folder });
    await running.said(word);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });
});

describe('registry', () => {
  test('answers with its token alone, and stops while it is watched', async () => {
    running = start(['registry', '--port', '0', '--json'], { cwd: folder });
    await running.said('"registry":');
    const { registry } = readAddresses();
    const token = (await readFile(join(folder, '.bascule', 'token'), 'utf8')).trim();
    const watch = (bearer: string): AsyncIterator<unknown> => {
      const interceptors = [createBearerInterceptor(bearer)];
      const transport = createConnectTransport({ baseUrl: registry, httpVersion: '1.1', interceptors });
      const events = createClient(RegistryService, transport).watch({});
      return events[Symbol.asyncIterator]();
    };
    await expect(watch('wrong').next()).rejects.toThrow('unauthenticated');
    const events = watch(token);
    expect((await events.next()).done).toBe(false);
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
    await drain(events).catch(() => {});
  });
});

async function drain(events: AsyncIterator<unknown>): Promise<void> {
  while ((await events.next()).done !== true);
}
