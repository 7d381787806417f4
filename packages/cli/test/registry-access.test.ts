import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNodeTransport, type NodeTransportOptions } from '@bascule/client';
import { RegistryService, Protocol } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { CLIENT_CA, PLACES_CERTIFICATE } from '@bascule/testing/client-certificates';
import { TEST_TLS } from '@bascule/testing/tls';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { run, start, type Running } from './support/run.ts';

let folder: string;
let running: Running | undefined;
const transports: { close(): Promise<void> }[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-access-'));
});
afterEach(async () => {
  await Promise.all(transports.splice(0).map((transport) => transport.close()));
  running?.child.kill('SIGKILL');
  await running?.ended;
  running = undefined;
  await rm(folder, { recursive: true });
});

const SECRET = 'a secret that registry and signer share: 0123456789';

async function startRegistry(...args: string[]): Promise<string> {
  running = start(['registry', '--json', '--port', '0', ...args], { cwd: folder });
  await running.said('"registry":');
  return (JSON.parse(running.stdout().split('\n')[0] ?? '') as { registry: string }).registry;
}

function clientOf(baseUrl: string, token: string, tls?: NodeTransportOptions['tls']) {
  const transport = createNodeTransport({
    baseUrl,
    ...(tls && { tls }),
    interceptors: [
      (next) => (request) => {
        if (token !== '') request.header.set('authorization', `Bearer ${token}`);
        return next(request);
      },
    ],
  });
  transports.push(transport);
  return createClient(RegistryService, transport);
}

const endpoint = (service: string) => ({
  instanceId: service,
  host: '127.0.0.1',
  port: 5_001,
  protocol: Protocol.GRPC,
  services: [service],
});

const codeOf = (call: Promise<unknown>): Promise<Code | undefined> =>
  call.then(
    () => undefined,
    (error: unknown) => ConnectError.from(error).code,
  );

describe('a registry with an access file', () => {
  test('lets a signed token do what it says, and nothing else', async () => {
    await writeFile(join(folder, 'secret'), SECRET);
    await writeFile(join(folder, 'access.yaml'), 'jwt: {secretFile: secret}\nanonymous: {read: ["demo.open.*"]}\n');
    const url = await startRegistry('--access', 'access.yaml');
    const args = ['--key-file', 'secret', '--subject', 'places', '--register', 'demo.places.*', '--read', 'demo.*'];
    const signed = await run(['token', ...args], { cwd: folder });
    expect(signed).toMatchObject({ code: 0, stderr: '' });
    const client = clientOf(url, signed.stdout.trim());
    const { leaseId } = await client.register({ endpoint: endpoint('demo.places.v1.PlacesService') });
    expect(leaseId).toMatch(/^[0-9a-f]{32}$/);
    expect(await codeOf(client.register({ endpoint: endpoint('demo.ranking.v1.RankingService') }))).toBe(
      Code.PermissionDenied,
    );
    const nobody = clientOf(url, '');
    expect(await codeOf(nobody.register({ endpoint: endpoint('demo.places.v1.PlacesService') }))).toBe(
      Code.Unauthenticated,
    );
    await nobody.deregister({ leaseId }).catch(() => undefined);
    const { endpoints } = await client.list({});
    expect(endpoints.map(({ instanceId }) => instanceId)).toEqual(['demo.places.v1.PlacesService']);
    running?.child.kill('SIGTERM');
    const { stderr } = (await running?.ended) ?? { stderr: '' };
    expect(stderr).toContain('"principal":"jwt:places"');
    expect(stderr).toContain('"outcome":"refused"');
  });

  test('knows who shows a certificate over TLS, and takes tokens beside them', async () => {
    const files = { 'tls.crt': TEST_TLS.cert, 'tls.key': TEST_TLS.key, 'ca.crt': CLIENT_CA };
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    await writeFile(
      join(folder, 'access.yaml'),
      'certificates: [{uri: "spiffe://demo/places", register: ["demo.places.*"]}]\n',
    );
    const args = ['--cert-file', 'tls.crt', '--key-file', 'tls.key', '--client-ca-file', 'ca.crt'];
    const url = (await startRegistry('--access', 'access.yaml', ...args)).replace('127.0.0.1', 'localhost');
    expect(url).toMatch(/^https:/);
    const ca = TEST_TLS.cert;
    const { cert, key } = PLACES_CERTIFICATE;
    const places = endpoint('demo.places.v1.PlacesService');
    expect(await codeOf(clientOf(url, '', { ca, cert, key }).register({ endpoint: places }))).toBeUndefined();
    expect(await codeOf(clientOf(url, '', { ca }).register({ endpoint: places }))).toBe(Code.Unauthenticated);
    const token = (await readFile(join(folder, '.bascule', 'token'), 'utf8')).trim();
    expect((await clientOf(url, token, { ca }).list({})).endpoints).toHaveLength(1);
    const resolved = await run(['resolve', url, '--ca-file', 'tls.crt', '--json'], { cwd: folder });
    expect(resolved).toMatchObject({ code: 0, stdout: expect.stringContaining('demo.places.v1.PlacesService') });
  });

  test('names file, line and field of a rule that cannot be', async () => {
    await writeFile(join(folder, 'access.yaml'), 'tokens:\n  - name: places\n    regster: ["*"]\n');
    const ran = await run(['registry', '--port', '0', '--access', 'access.yaml'], { cwd: folder });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toMatch(/access\.yaml, line 3: tokens\[0\]\.regster .*\n.*registry-access\.md/);
  });
});

describe('an open registry', () => {
  test('does not start where others reach it, unless it is said in words', async () => {
    const ran = await run(['registry', '--port', '0', '--host', '0.0.0.0', '--open'], { cwd: folder });
    expect(ran.code).toBe(2);
    expect(ran.stderr).toContain('--open to-everybody');
    const url = await startRegistry('--host', '0.0.0.0', '--open', 'to-everybody');
    const client = clientOf(url.replace('0.0.0.0', '127.0.0.1'), '');
    expect(await codeOf(client.register({ endpoint: endpoint('demo.places.v1.PlacesService') }))).toBeUndefined();
  });

  test('is not what a registry with a token on every address is', async () => {
    const url = await startRegistry('--host', '0.0.0.0');
    const client = clientOf(url.replace('0.0.0.0', '127.0.0.1'), '');
    expect(await codeOf(client.register({ endpoint: endpoint('demo.places.v1.PlacesService') }))).toBe(
      Code.Unauthenticated,
    );
  });
});

describe('token', () => {
  test('says what is wrong with a key or a pattern', async () => {
    await writeFile(join(folder, 'short'), 'short');
    await writeFile(join(folder, 'secret'), SECRET);
    const sign = (...args: string[]) => run(['token', '--subject', 'a', ...args], { cwd: folder });
    expect(await sign('--key-file', 'short')).toMatchObject({ code: 2, stderr: expect.stringContaining('32') });
    expect(await sign('--key-file', 'secret', '--read', 'a b')).toMatchObject({ code: 2 });
    expect(await sign('--key-file', 'none')).toMatchObject({ code: 2, stderr: expect.stringContaining('ENOENT') });
  });
});
