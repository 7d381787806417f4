import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { createSecureServer, createServer as createHttp2Server } from 'node:http2';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import { createTestAuthority } from '@bascule/testing/certificates';
import { schemaOf } from '@bascule/schema';
import { serve, type ServeOptions } from '@bascule/server';
import { Code, createClient, type ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { PlacesService } from '../../apps/backend/gen/demo/places/v1/places_pb.ts';
import { connectGrpc, connectGrpcWeb } from './rig/dialects.ts';
import { createEchoRoutes, createProbe, startEcho, type Echo } from './rig/echo.ts';
import { EchoService } from './rig/echo-schema.ts';
import { listOf, viewOf } from './rig/endpoints.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder, type Folder } from './rig/folder.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';

const SERVICE = EchoService.typeName;
const authority = createTestAuthority('the one that is trusted');
const stranger = createTestAuthority('somebody else');
const HERE = authority.issue(['localhost', '127.0.0.1']);
const OURS = authority.issue(['gateway']);

/** A folder with PEM files by name. */
async function filesWith(files: Readonly<Record<string, string | Uint8Array>>): Promise<Folder> {
  const folder = await makeFolder();
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder.path, name), text);
  return folder;
}

/** Connect needs to know which calls are unary. */
const FILES = {
  'ca.pem': authority.cert,
  'our.pem': OURS.cert,
  'our.key': OURS.key,
  'echo.binpb': schemaOf([EchoService]),
};

function configFor(addresses: readonly string[], tls: object | undefined, more: object = {}): object {
  const endpoints = addresses.map((address) => ({ address, services: [SERVICE], schema: 'echo.binpb', ...more }));
  return { discovery: { endpoints }, ...(tls && { services: { '*': { tls } } }) };
}

/** A gateway with a caller that speaks gRPC and one that speaks as pages do. */
async function startWorld(folder: Folder, config: object, workers = 0) {
  const stack = new AsyncDisposableStack();
  const gateway = stack.use(await startTestGateway({ workers, folder, config }));
  const client = createClient(EchoService, stack.use(connectGrpc(gateway.baseUrl)).transport);
  const page = createClient(EchoService, stack.use(connectGrpcWeb(gateway.baseUrl)).transport);
  return { gateway, client, page, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function startSecure(tls: ServeOptions['tls'] = HERE, more: Partial<ServeOptions> = {}): Promise<Echo> {
  return startEcho({ tls, ...more });
}

async function untilReady(gateway: TestGateway): Promise<void> {
  await eventually(async () => {
    const { endpoints } = await listOf(gateway);
    expect(endpoints.map(({ state }) => state)).toEqual(endpoints.map(() => 'ready'));
    expect(endpoints.length).toBeGreaterThan(0);
  });
}

/** A server on a free port; its connections go with it. */
async function listening(server: Server): Promise<AsyncDisposable & { readonly port: number }> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => void sockets.add(socket.on('close', () => sockets.delete(socket))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

describe.each([0, 2])('backends over TLS, %i workers', (workers) => {
  // Threads differ in how they are told, not in what they speak.
  const protocols = workers === 0 ? ['grpc', 'grpc-web+http1', 'connect', 'connect+http1'] : ['grpc', 'connect+http1'];
  it.each(protocols)('are called by %s, for callers of gRPC and of pages', async (protocol) => {
    await using echo = await startSecure({ ...HERE, clientCa: authority.cert });
    await using folder = await filesWith(FILES);
    const tls = { caFile: 'ca.pem', certFile: 'our.pem', keyFile: 'our.key' };
    const config = configFor([`localhost:${echo.server.port}`], tls, { protocol });
    await using world = await startWorld(folder, config, workers);
    await untilReady(world.gateway);
    expect((await world.client.say({ value: 'a' })).value).toBe('a');
    expect((await world.page.say({ value: 'b' })).value).toBe('b');
    const counted = [];
    for await (const { value } of world.page.count({ value: 2 })) counted.push(value);
    expect(counted).toEqual(['1', '2']);
  });

  it('that register themselves are found, and called over TLS without being named', async () => {
    await using folder = await filesWith(FILES);
    const services = { '*': { tls: { caFile: 'ca.pem', required: false }, healthCheck: { interval: '0.2s' } } };
    await using world = await startWorld(folder, { services }, workers);
    const { gateway, client } = world;
    await using secure = await startSecure(HERE, { registry: gateway.registry, instanceId: 'secure' });
    await using clear = await startEcho({ registry: gateway.registry, instanceId: 'clear' });
    await eventually(async () => expect((await listOf(gateway)).endpoints.length).toBe(2));
    await untilReady(gateway);
    for (let i = 0; i < 20; i++) await client.say({ value: 'x' });
    expect(Math.min(secure.probe.headers.length, clear.probe.headers.length)).toBeGreaterThan(0);
  });

  it('are called where they are servers of Node, by an address that says TLS', async () => {
    const routes = (router: ConnectRouter): void => createEchoRoutes(router, createProbe());
    const server = createSecureServer(HERE, connectNodeAdapter({ routes }));
    await using listened = await listening(server);
    await using folder = await filesWith(FILES);
    const config = configFor([`https://localhost:${listened.port}`], { caFile: 'ca.pem', required: false });
    await using world = await startWorld(folder, config, workers);
    expect((await world.page.say({ value: 'a' })).value).toBe('a');
  });

  it('take what files hold from then on, without losing what goes on', async () => {
    await using echo = await startSecure();
    await using folder = await filesWith({ ...FILES, 'ca.pem': stranger.cert });
    const address = `127.0.0.1:${echo.server.port}`;
    await using world = await startWorld(folder, configFor([address], { caFile: 'ca.pem' }), workers);
    const { gateway, client } = world;
    await eventually(async () => {
      expect(await viewOf(gateway, address)).toMatchObject({
        state: 'connecting',
        cause: expect.stringContaining('TLS: no authority that is trusted here') as string,
      });
    });
    const failure = await failureOf(client.say({ value: 'a' }));
    expect(failure.code).toBe(Code.Unavailable);

    await writeFile(join(folder.path, 'ca.pem'), `${stranger.cert}${authority.cert}`);
    await untilReady(gateway);
    expect((await client.say({ value: 'b' })).value).toBe('b');
    // Who is no longer trusted keeps the connections that stand.
    await writeFile(join(folder.path, 'ca.pem'), stranger.cert);
    await eventually(() => {
      const taken = gateway.log.filter(({ message }) => /configuration revision 3/.test(message));
      expect(taken.length).toBe(1);
    });
    expect((await client.say({ value: 'c' })).value).toBe('c');
  });
});

describe('a certificate of ours', () => {
  it('that is replaced is shown from then on, though its files change one after the other', async () => {
    await using echo = await startSecure({ ...HERE, clientCa: authority.cert });
    const old = stranger.issue(['gateway']);
    await using folder = await filesWith({ ...FILES, 'our.pem': old.cert, 'our.key': old.key });
    const address = `127.0.0.1:${echo.server.port}`;
    const tls = { caFile: 'ca.pem', certFile: 'our.pem', keyFile: 'our.key' };
    await using world = await startWorld(folder, configFor([address], tls));
    const { gateway, client } = world;
    await eventually(async () => {
      expect((await viewOf(gateway, address))?.cause).toMatch(/does not take our certificate|want a certificate/);
    });
    await writeFile(join(folder.path, 'our.pem'), OURS.cert);
    await eventually(() => {
      const refused = gateway.log.find(({ message }) => message.startsWith('configuration refused'));
      expect(refused?.message).toMatch(
        /bascule\.yaml:\d+:\d+ services\["\*"\]\.tls\.certFile: cannot be used \(.*mismatch/,
      );
    });
    await writeFile(join(folder.path, 'our.key'), OURS.key);
    await untilReady(gateway);
    expect((await client.say({ value: 'a' })).value).toBe('a');
    expect((await gateway.operator.admin.getStatus({})).configError).toBe('');
  });
});

describe('a backend that cannot be trusted', () => {
  const echoing = (tls: ServeOptions['tls'] | undefined) => async () => {
    const echo = await startEcho(tls === undefined ? {} : { tls });
    return { port: echo.server.port, [Symbol.asyncDispose]: () => echo[Symbol.asyncDispose]() };
  };
  const CASES: readonly (readonly [string, () => Promise<AsyncDisposable & { port: number }>, RegExp])[] = [
    ['has expired', echoing(authority.issue(['127.0.0.1'], { isExpired: true })), /certificate has expired/],
    ['is somebody else', echoing(authority.issue(['other.internal'])), /is not of 127\.0\.0\.1 but of DNS:other/],
    ['has an unknown authority', echoing(stranger.issue(['127.0.0.1'])), /no authority that is trusted here/],
    ['speaks in the clear', echoing(undefined), /TLS: the backend ended the handshake; does it speak TLS/],
    ['wants a certificate', echoing({ ...HERE, clientCa: authority.cert }), /want a certificate/],
    [
      'speaks HTTP/1.1 alone',
      () => listening(createTlsServer({ ...HERE, ALPNProtocols: ['http/1.1'] })),
      /does not agree on HTTP\/2 over TLS/,
    ],
    [
      'is a server of Node in the clear',
      () => listening(createHttp2Server()),
      /TLS: the backend (ended the handshake; does it speak TLS|does not speak TLS)/,
    ],
    ['hangs up at once', () => listening(createTcpServer((socket) => void socket.destroy())), /TLS/],
  ];

  it.each(CASES)('because it %s gets no calls, and says why', async (_title, start, words) => {
    await using bad = await start();
    await using good = await startSecure();
    await using folder = await filesWith(FILES);
    const addresses = [`127.0.0.1:${bad.port}`, `127.0.0.1:${good.server.port}`];
    await using world = await startWorld(folder, configFor(addresses, { caFile: 'ca.pem' }));
    const { gateway, client } = world;
    await eventually(async () => {
      const view = await viewOf(gateway, addresses[0] as string);
      expect(view?.state).toBe('connecting');
      expect(view?.cause).toMatch(words);
    });
    for (let i = 0; i < 10; i++) expect((await client.say({ value: 'x' })).value).toBe('x');
    expect(good.probe.headers.length).toBe(10);
  });

  it('in the clear, since it speaks TLS, says so', async () => {
    await using secure = await startSecure();
    await using folder = await filesWith(FILES);
    const address = `127.0.0.1:${secure.server.port}`;
    await using world = await startWorld(folder, configFor([address], { caFile: 'ca.pem', required: false }));
    await eventually(async () => {
      const view = await viewOf(world.gateway, address);
      expect(view?.cause).toContain('the backend closed the connection before it spoke HTTP/2; does it want TLS?');
    });
  });

  it.each(['connect', 'connect+http1'])('and is the only one by %s fails calls as unavailable', async (protocol) => {
    await using bad = await startSecure({ ...HERE, clientCa: authority.cert });
    await using folder = await filesWith(FILES);
    const config = configFor([`127.0.0.1:${bad.server.port}`], { caFile: 'ca.pem' }, { protocol });
    await using world = await startWorld(folder, config);
    const failure = await failureOf(world.client.say({ value: 'x' }));
    expect(failure.code).toBe(Code.Unavailable);
    expect(bad.probe.headers).toEqual([]);
  });

  it.each([{ grpc: {} }, { http: { path: '/' } }, { tcp: {} }])('fails its check: %o', async (probe) => {
    await using bad = await startSecure(stranger.issue(['127.0.0.1']));
    await using folder = await filesWith(FILES);
    const address = `127.0.0.1:${bad.server.port}`;
    const healthCheck = { ...probe, interval: '0.1s' };
    const config = {
      ...configFor([address], undefined),
      services: { '*': { tls: { caFile: 'ca.pem' }, healthCheck } },
    };
    await using world = await startWorld(folder, config);
    await eventually(async () => {
      expect(await viewOf(world.gateway, address)).toMatchObject({
        state: 'failing',
        cause: expect.stringContaining('TLS: no authority that is trusted here') as string,
      });
    });
  });
});

describe('what is said of TLS', () => {
  it('holds for one service, with another name, and closes what was opened in another way', async () => {
    await using echo = await startSecure(authority.issue(['places.internal']));
    await using folder = await filesWith(FILES);
    const address = `127.0.0.1:${echo.server.port}`;
    const withTls = (tls: object) => ({ ...configFor([address], undefined), services: { [SERVICE]: { tls } } });
    const named = { caFile: 'ca.pem', serverName: 'places.internal' };
    await using world = await startWorld(folder, withTls(named));
    const { gateway, client } = world;
    await untilReady(gateway);
    expect((await client.say({ value: 'a' })).value).toBe('a');
    await gateway.save(withTls({ caFile: 'ca.pem' }));
    await eventually(async () => expect((await viewOf(gateway, address))?.cause).toContain('not of 127.0.0.1'));
    await gateway.save(withTls({ insecureSkipVerify: true }));
    await untilReady(gateway);
    expect((await client.say({ value: 'b' })).value).toBe('b');
    expect(gateway.log.some(({ level, message }) => level === 'warn' && message.includes('insecureSkipVerify'))).toBe(
      true,
    );
  });

  it.each([{ grpc: {} }, { http: { path: '/' } }, { tcp: {} }])('holds for checks: %o', async (probe) => {
    await using echo = await startSecure({ ...HERE, clientCa: authority.cert });
    await using folder = await filesWith(FILES);
    const address = `https://127.0.0.1:${echo.server.port}`;
    const tls = { caFile: 'ca.pem', certFile: 'our.pem', keyFile: 'our.key', required: false };
    const healthCheck = { ...probe, interval: '0.1s' };
    const config = { ...configFor([address], undefined), services: { '*': { tls, healthCheck } } };
    await using world = await startWorld(folder, config);
    const { gateway } = world;
    await eventually(async () => {
      const samples = await gateway.operator.metrics();
      const checks = samples.filter(({ name }) => name === 'bascule_health_checks_total');
      const of = (result: string): number => checks.find(({ labels }) => labels['result'] === result)?.value ?? 0;
      expect(of('pass') + of('fail')).toBeGreaterThan(3);
      // Some may take too long; without our certificate none would pass.
      if (!('http' in probe)) return expect(of('pass')).toBeGreaterThan(3);
      const view = await viewOf(gateway, `127.0.0.1:${echo.server.port}`);
      expect(view?.cause).toContain('GET / answers 404');
    });
  });
});

it('the command line calls a gateway over TLS that listens so', async () => {
  await using stack = new AsyncDisposableStack();
  const routes = (router: ConnectRouter): void => {
    router.service(PlacesService, { search: ({ query }) => ({ places: [{ name: query }] }) });
  };
  const server = stack.adopt(await serve({ routes }), (each) => each.close());
  const listener = { tls: { certFile: 'cert.pem', keyFile: 'key.pem' } };
  const services = [PlacesService.typeName];
  const endpoints = [{ address: `127.0.0.1:${server.port}`, services, schema: 'places.binpb' }];
  const schema = { 'places.binpb': schemaOf([PlacesService]) };
  const folder = stack.use(await filesWith({ ...FILES, ...schema, 'cert.pem': HERE.cert, 'key.pem': HERE.key }));
  const config = { listener, discovery: { endpoints } };
  const gateway = stack.use(await startTestGateway({ workers: 0, folder, config }));
  const call = (env: object) => {
    const words = [`${PlacesService.typeName}/Search`, '{"query":"Delft"}'];
    const operator = ['--operator', `http://127.0.0.1:${gateway.operatorPort}`];
    const token = ['--token-file', join(gateway.stateDir, 'token')];
    const cli = ['packages/cli/bin/bascule.mjs', 'call', ...words, ...operator, ...token];
    return promisify(execFile)(process.execPath, cli, { env: { ...process.env, ...env } });
  };
  await untilReady(gateway);
  expect((await call({ NODE_EXTRA_CA_CERTS: join(folder.path, 'ca.pem') })).stdout).toContain('"name":"Delft"');
  await expect(call({})).rejects.toMatchObject({ stderr: expect.stringContaining('https://127.0.0.1') });
});
