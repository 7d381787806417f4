import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { startRegistryProcess } from './rig/backends.ts';
import { startChild } from './rig/child.ts';
import { connectGrpc } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { startEcho } from './rig/echo.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';
import { askRaw, type RawRequest } from './rig/raw-call.ts';

const SAY = '/e2e.v1.EchoService/Say';

/** Ways in which nobody may come in, over either HTTP version, and the HTTP status they get. */
function intrusions(port: number, token: string): [string, Partial<RawRequest>, number][] {
  const good = { 'content-type': 'application/json', authorization: `Bearer ${token}`, host: `127.0.0.1:${port}` };
  const { authorization: _, ...anonymous } = good;
  return [
    ['no token', { headers: anonymous }, 401],
    ['a wrong token', { headers: { ...good, authorization: `Bearer ${token.slice(1)}x` } }, 401],
    ['the token of another scheme', { headers: { ...good, authorization: `Basic ${token}` } }, 401],
    ['a page of another origin', { headers: { ...good, origin: 'https://evil.example' } }, 403],
    ['a page of this very origin', { headers: { ...good, origin: `http://127.0.0.1:${port}` } }, 403],
    ['a page without Origin', { headers: { ...good, 'sec-fetch-site': 'cross-site' } }, 403],
    ['a name that resolves here', { headers: { ...good, host: `evil.example:${port}` } }, 403],
    ['the name of another port', { headers: { ...good, host: '127.0.0.1:1' } }, 403],
    ['a form', { headers: { ...good, 'content-type': 'application/x-www-form-urlencoded' } }, 415],
    ['a form with files', { headers: { ...good, 'content-type': 'multipart/form-data; boundary=x' } }, 415],
    ['plain text', { headers: { ...good, 'content-type': 'text/plain' } }, 415],
  ];
}

async function expectClosed(port: number, token: string, path: string): Promise<void> {
  for (const [name, change, status] of intrusions(port, token)) {
    const answer = await askRaw(port, { http: 1, path, headers: {}, body: '{}', ...change });
    expect(answer.status, name).toBe(status);
    expect(Object.keys(answer.headers).filter((header) => header.startsWith('access-control'))).toEqual([]);
  }
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const good = await askRaw(port, { http: 1, path, headers, body: '{}' });
  expect(good.status).toBe(200);
}

async function expectPrivate(file: string): Promise<void> {
  expect(((await stat(file)).mode & 0o777).toString(8)).toBe('600');
}

async function startPair(workers: number, config: object = {}) {
  const stack = new AsyncDisposableStack();
  const gateway = stack.use(await startTestGateway({ workers, config }));
  const echo = stack.use(await startEcho({ registry: gateway.registry, instanceId: 'echo-1' }));
  const { transport } = stack.use(connectGrpc(gateway.baseUrl));
  const client = createClient(EchoService, transport);
  await eventually(async () => {
    await client.say({ value: 'up' });
    // From here on the gateway knows the schema as well, which comes after the endpoint.
    expect((await gateway.operator.metrics()).some(({ labels }) => labels['method'] === 'Say')).toBe(true);
  });
  return { gateway, echo, client, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function statusOf(gateway: TestGateway) {
  return gateway.operator.admin.getStatus({});
}

describe.each([0, 2])("the operator's side with %i workers", (workers) => {
  it('is closed to all who have no token, and to pages in any case', async () => {
    await using gateway = await startTestGateway({ workers });
    const { operatorPort, token } = gateway;
    for (const path of [
      '/bascule.admin.v1.AdminService/GetStatus',
      '/bascule.modules.v1.ModuleService/ListVersions',
      '/bascule.registry.v1.RegistryService/List',
    ]) {
      await expectClosed(operatorPort, token, path);
    }
    await expectPrivate(join(gateway.stateDir, 'token'));
    // None of it is to be had where calls come in.
    const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
    const path = '/bascule.admin.v1.AdminService/GetStatus';
    expect((await askRaw(gateway.apiPort, { http: 1, path, headers, body: '{}' })).status).toBe(404);
  });

  it('counts calls by bounded labels, and forgets endpoints that left', async () => {
    await using pair = await startPair(workers);
    const { gateway, echo, client } = pair;
    const before = (await gateway.operator.metrics()).length;
    await client.say({ value: 'counted' });
    await failureOf(client.say({ value: 'fail' }));
    const ask = (i: number): Promise<Response> =>
      fetch(`${gateway.baseUrl}/e2e.v1.Stranger${i}/Method${i}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      });
    for (let i = 0; i < 1000; i += 50) {
      const answers = await Promise.all(Array.from({ length: 50 }, (_, j) => ask(i + j)));
      for (const answer of answers) {
        expect(answer.status).toBe(404);
        await answer.arrayBuffer();
      }
    }
    const samples = await gateway.operator.metrics();
    const calls = samples.filter(({ name }) => name === 'bascule_calls_total');
    const unknown = calls.filter(({ labels }) => labels['service'] === 'unknown' && labels['dialect'] === 'connect');
    expect(unknown).toHaveLength(1);
    expect(unknown[0]).toMatchObject({ value: 1000, labels: { method: 'unknown', code: 'unimplemented' } });
    const failed = calls.find(({ labels }) => labels['method'] === 'Say' && labels['code'] === 'not_found');
    expect(failed).toMatchObject({ value: 1, labels: { dialect: 'grpc', endpoint: 'echo-1' } });
    const durations = samples.filter(({ name }) => name === 'bascule_call_duration_seconds_count');
    expect(durations.some(({ labels, value }) => labels['method'] === 'Say' && value >= 2)).toBe(true);
    // Histograms of a new dialect and a new outcome; a thousand names would be thousands.
    expect(samples.length - before).toBeLessThan(80);

    await echo.server.close();
    await eventually(async () => {
      const left = (await gateway.operator.metrics()).filter(({ labels }) => labels['endpoint'] === 'echo-1');
      expect(left).toEqual([]);
    });
  });

  it('answers probes', async () => {
    await using gateway = await startTestGateway({ workers });
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const answer = await fetch(`${gateway.operator.url}${path}`);
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
      expect((await fetch(`${gateway.operator.url}${path}`, { method: 'POST' })).status).toBe(405);
    }
  });

  it('takes a saved configuration without a restart', async () => {
    await using pair = await startPair(workers, { calls: { maxMessageBytes: 1000 } });
    const { gateway, client } = pair;
    const long = 'x'.repeat(2000);
    expect((await failureOf(client.say({ value: long }))).code).toBe(Code.ResourceExhausted);
    const preflight = (): Promise<Response> =>
      fetch(`${gateway.baseUrl}${SAY}`, {
        method: 'OPTIONS',
        headers: { origin: 'https://app.example', 'access-control-request-method': 'POST' },
      });
    expect((await preflight()).headers.get('access-control-allow-origin')).toBeNull();
    const staying = new AbortController();
    let counted = 0;
    const stream = (async () => {
      for await (const _ of client.count({ value: -1 }, { signal: staying.signal })) counted++;
    })();
    await eventually(() => expect(counted).toBeGreaterThan(0));

    await gateway.save({
      calls: { maxMessageBytes: 100_000, defaultTimeout: '2s' },
      cors: { allowOrigins: ['https://app.example'] },
    });
    await eventually(async () => expect((await statusOf(gateway)).configRevision).toBe(2n));
    // Control knows first, and then tells the threads.
    await eventually(async () => {
      expect((await client.say({ value: long })).value).toBe(long);
      expect((await preflight()).headers.get('access-control-allow-origin')).toBe('https://app.example');
    });
    // The deadline of the file, not of the caller.
    expect((await failureOf(client.say({ value: 'hang' }))).code).toBe(Code.DeadlineExceeded);
    const before = counted;
    await eventually(() => expect(counted).toBeGreaterThan(before));
    staying.abort();
    expect((await failureOf(stream)).code).toBe(Code.Canceled);
  });

  it('refuses a bad configuration whole, with its place, and goes on as before', async () => {
    await using pair = await startPair(workers);
    const { gateway, client } = pair;
    const bad: [string, RegExp][] = [
      [
        'calls:\n  maxMessageBytes: 10\n  retry:\n    maxAttempts: 9\n',
        /bascule\.yaml:4:\d+.*calls\.retry\.maxAttempts/s,
      ],
      ['calls:\n  maxMessageByte: 10\n', /bascule\.yaml:2:\d+.*maxMessageByte.*maxMessageBytes/s],
      ['calls:\n  maxMessageBytes: [1\n', /bascule\.yaml:\d+:\d+/],
      ['calls:\n  defaultTimeout: soon\ncors: 3\n', /bascule\.yaml:2:\d+.*calls\.defaultTimeout/s],
    ];
    for (const [text, error] of bad) {
      await gateway.save(text);
      await eventually(async () => expect((await statusOf(gateway)).configError).toMatch(error));
      expect((await statusOf(gateway)).configRevision).toBe(1n);
      expect((await client.say({ value: 'longer than ten bytes' })).value).toBe('longer than ten bytes');
    }
    await gateway.save({});
    await eventually(async () => expect((await statusOf(gateway)).configError).toBe(''));
  });
});

it('keeps the registry closed where it is a process of its own', async () => {
  await using folder = await makeFolder();
  await using registry = await startRegistryProcess(folder, 0);
  const token = (await readFile(join(folder.path, 'state/token'), 'utf8')).trim();
  const port = Number(new URL(String(registry.said['registry'])).port);
  await expectClosed(port, token, '/bascule.registry.v1.RegistryService/List');
  await expectPrivate(join(folder.path, 'state/token'));
});

it('starts without any file', async () => {
  await using folder = await makeFolder();
  const args = ['gateway', '--port', '0', '--operator-port', '0', '--exit-with-stdin', '--json'];
  await using gateway = await startChild(['packages/cli/bin/bascule.mjs', ...args], folder.path);
  const answer = await fetch(`${String(gateway.said['operator'])}/readyz`);
  expect(answer.status).toBe(200);
  expect((await fetch(`${String(gateway.said['api'])}/`)).status).toBe(404);
  await expectPrivate(join(folder.path, '.bascule/token'));
});
