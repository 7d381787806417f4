import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createSecureServer, type ServerHttp2Session } from 'node:http2';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePort } from '../../../test/support/src/servers/ports.ts';
import { TEST_TLS } from '../../../test/support/src/tls.ts';
import { run, start, type Running } from './support/run.ts';

let folder: string;
const running: Running[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-discovery-'));
});
afterEach(async () => {
  for (const { child, ended } of running.splice(0).toReversed()) {
    child.kill('SIGTERM');
    const limit = setTimeout(() => child.kill('SIGKILL'), 8_000);
    await ended;
    clearTimeout(limit);
  }
  await rm(folder, { recursive: true });
});

function begin(...args: string[]): Running {
  const started = start(args, { cwd: folder });
  running.push(started);
  return started;
}

async function startRegistry(): Promise<string> {
  const registry = begin('registry', '--json', '--port', '0');
  await registry.said('"registry":');
  return (JSON.parse(registry.stdout().split('\n')[0] ?? '') as { registry: string }).registry;
}

/** A program of another kind: it listens on the port that it is told, and says when it is asked to end. */
const PROGRAM = `
const server = require('node:net').createServer().listen(Number(process.argv[1]), '127.0.0.1');
process.stdin.resume();
process.on('SIGTERM', () => { console.log('asked to end'); server.close(() => process.exit(Number(process.argv[2] ?? 0))); });
process.on('SIGUSR2', () => server.close());
`;

const SERVICE = 'demo.places.v1.PlacesService';

/** Each look is a process of its own. */
const PATIENCE = { timeout: 60_000 };

const asJson = async (url: string): Promise<{ instanceId: string; health?: string; labels: object }[]> => {
  const { stdout } = await run(['resolve', url, '--json'], { cwd: folder });
  return (JSON.parse(stdout) as { endpoints: { instanceId: string; health?: string; labels: object }[] }).endpoints;
};

describe('resolve', () => {
  test('shows what a file says, and follows it', async () => {
    const file = join(folder, 'endpoints.yaml');
    await writeFile(file, `endpoints:\n  - address: 127.0.0.1:5001\n    services: [${SERVICE}]\n    zone: west\n`);
    const once = await run(['resolve', 'file:endpoints.yaml'], { cwd: folder });
    expect(once).toMatchObject({ code: 0, stderr: '' });
    expect(once.stdout).toMatch(/INSTANCE +ADDRESS .*ZONE/);
    expect(once.stdout).toMatch(/127\.0\.0\.1:5001 .*west/);
    const watching = begin('resolve', 'file:endpoints.yaml', '--watch');
    await watching.said('5001');
    await writeFile(file, `endpoints:\n  - address: 127.0.0.1:5002\n    services: [${SERVICE}]\n`);
    await watching.said('5002');
    await watching.said('- ');
    watching.child.kill('SIGINT');
    expect((await watching.ended).code).toBe(0);
  });

  test('says what is wrong with a URL, and who does not answer', async () => {
    expect(await run(['resolve', 'gopher://127.0.0.1'], { cwd: folder })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('consul'),
    });
    expect(await run(['resolve', 'localhost:7070'], { cwd: folder })).toMatchObject({ code: 2 });
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    await new Promise((resolve) => silent.close(resolve));
    expect(await run(['resolve', `http://127.0.0.1:${port}`, '-t', '3'], { cwd: folder })).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('ECONNREFUSED'),
    });
  });
});

describe('register', () => {
  test('runs a program, registers it while its check passes, and deregisters it before it ends it', async () => {
    const url = await startRegistry();
    const port = await freePort();
    const args = ['--at', url, '--service', SERVICE, '--address', `127.0.0.1:${port}`, '--label', 'language=js'];
    const registered = begin('register', ...args, '--', process.execPath, '-e', PROGRAM, String(port));
    await expect
      .poll(() => asJson(url), PATIENCE)
      .toMatchObject([{ instanceId: `127.0.0.1:${port}`, labels: { language: 'js' } }]);
    registered.child.kill('SIGTERM');
    await expect.poll(() => asJson(url), PATIENCE).toEqual([]);
    const ended = await registered.ended;
    expect(ended).toMatchObject({ code: 0, stdout: expect.stringContaining('asked to end') });
    expect(ended.stderr).toContain(`: deregistered 127.0.0.1:${port}`);
  });

  test('ends the program when the registration is refused for good', async () => {
    const url = await startRegistry();
    const port = await freePort();
    const args = ['--at', url, '--service', SERVICE, '--label', 'no key=1', '--address', `127.0.0.1:${port}`];
    const { code, stdout, stderr } = await begin('register', ...args, '--', process.execPath, '-e', PROGRAM, `${port}`)
      .ended;
    expect([code, stdout]).toEqual([1, 'asked to end\n']);
    expect(stderr).toContain(`error: 127.0.0.1:${port} is refused: [invalid_argument] endpoint.labels`);
    expect(stderr).not.toContain(': deregistered');
  });

  test('ends the program when there is no such system', async () => {
    const port = await freePort();
    const args = ['--at', 'gopher://h:70', '--service', SERVICE, '--address', `127.0.0.1:${port}`];
    const { code, stdout } = await begin('register', ...args, '--', process.execPath, '-e', PROGRAM, `${port}`).ended;
    expect([code, stdout]).toEqual([2, 'asked to end\n']);
  });

  test('is one signal when the terminal and a launcher pass it on at once', async () => {
    const url = await startRegistry();
    const port = await freePort();
    const args = ['--at', url, '--service', SERVICE, '--address', `127.0.0.1:${port}`];
    const registered = begin('register', ...args, '--', process.execPath, '-e', PROGRAM, String(port));
    await expect.poll(() => asJson(url), PATIENCE).toHaveLength(1);
    registered.child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 50));
    registered.child.kill('SIGINT');
    expect(await registered.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('asked to end') });
  });

  test('names an IPv6 address so that registries take it', async () => {
    const url = await startRegistry();
    begin('register', '--at', url, '--service', SERVICE, '--address', '[::1]:5001', '--check', 'none');
    await expect.poll(() => asJson(url), PATIENCE).toMatchObject([{ instanceId: '0::1:5001', host: '::1' }]);
    expect((await run(['resolve', url], { cwd: folder })).stdout).toContain(' [::1]:5001 ');
  });

  test('registers a program that speaks TLS as one that does, once it answers', async () => {
    const url = await startRegistry();
    const backend = createSecureServer(TEST_TLS);
    backend.on('stream', (stream) => {
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
      // SERVING, in its frame.
      stream.end(Buffer.of(0, 0, 0, 0, 2, 8, 1));
    });
    const sessions = new Set<ServerHttp2Session>();
    backend.on('session', (session) => void sessions.add(session));
    await new Promise<void>((resolve) => void backend.listen(0, '127.0.0.1', resolve));
    const address = `https://127.0.0.1:${(backend.address() as { port: number }).port}`;
    for (const [name, check] of Object.entries({ a: 'tcp', b: 'grpc' })) {
      begin(
        'register',
        '--at',
        url,
        '--service',
        SERVICE,
        '--address',
        address,
        '--check',
        check,
        '--instance-id',
        name,
      );
      await expect
        .poll(() => asJson(url), PATIENCE)
        .toContainEqual(expect.objectContaining({ instanceId: name, tls: true }));
    }
    expect((await run(['resolve', url], { cwd: folder })).stdout).toContain(' grpc over TLS ');
    for (const session of sessions) session.destroy();
    await new Promise((resolve) => backend.close(resolve));
  });

  test('shows no token of ours to other systems', async () => {
    const seen: string[] = [];
    const consul = createHttpServer((request, response) => {
      seen.push(String(request.headers['x-consul-token']));
      response.writeHead(500).end();
    });
    await new Promise<void>((resolve) => void consul.listen(0, '127.0.0.1', resolve));
    const { port } = consul.address() as { port: number };
    const url = `consul://127.0.0.1:${port}/x`;
    await writeFile(join(folder, 'consul-token'), 'for-consul');
    const env = { BASCULE_TOKEN: 'of-the-operator' };
    await run(['resolve', url, '-t', '3'], { cwd: folder, env });
    expect(new Set(seen.splice(0))).toEqual(new Set(['undefined']));
    await run(['resolve', url, '-t', '3', '--token-file', 'consul-token'], { cwd: folder, env });
    expect(new Set(seen)).toEqual(new Set(['for-consul']));
    await new Promise((resolve) => consul.close(resolve));
  });

  test('tells that a program fails its check, and that it passes again', async () => {
    const url = await startRegistry();
    const port = await freePort();
    const listening = createServer().listen(port, '127.0.0.1');
    begin('register', '--at', url, '--service', SERVICE, '--address', `127.0.0.1:${port}`);
    await expect.poll(() => asJson(url), PATIENCE).toHaveLength(1);
    await new Promise((resolve) => listening.close(resolve));
    await expect.poll(() => asJson(url), PATIENCE).toMatchObject([{ health: 'failing' }]);
    const again = createServer().listen(port, '127.0.0.1');
    await expect.poll(async () => (await asJson(url))[0]?.health, PATIENCE).toBeUndefined();
    await new Promise((resolve) => again.close(resolve));
  });

  test('deregisters a program that is killed, and ends with its exit code', async () => {
    const url = await startRegistry();
    const port = await freePort();
    const args = ['--at', url, '--service', SERVICE, '--address', `127.0.0.1:${port}`];
    const killed = begin(
      'register',
      ...args,
      '--',
      process.execPath,
      '-e',
      `console.log(process.pid);${PROGRAM}`,
      String(port),
    );
    await expect.poll(() => asJson(url), PATIENCE).toHaveLength(1);
    await killed.said('\n');
    process.kill(Number(killed.stdout().split('\n')[0]), 'SIGKILL');
    expect((await killed.ended).code).toBe(137);
    expect(await asJson(url)).toEqual([]);
  });

  test('refuses what cannot work before it starts anything', async () => {
    const args = ['--service', SERVICE, '--address', '127.0.0.1:5001'];
    expect(await run(['register', ...args, '--', './not-there'], { cwd: folder })).toMatchObject({ code: 2 });
    expect(await run(['register', '--service', SERVICE, '--address', '5001'], { cwd: folder })).toMatchObject({
      code: 2,
    });
    expect(await run(['register', ...args, '--check', 'ping'], { cwd: folder })).toMatchObject({ code: 2 });
    expect(await run(['register', ...args, '--ttl', '0.5'], { cwd: folder })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('from 1 to 600'),
    });
  });
});
