import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer, type Http2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { gunzipSync, gzipSync } from 'node:zlib';
import { schemaOf } from '@bascule/schema';
import { Code, createClient } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALECTS } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { createEchoRoutes, createProbe, type EchoProbe } from './rig/echo.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder, type Folder } from './rig/folder.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';
import { askRaw } from './rig/raw-call.ts';

/** A backend of EchoService on connect-node that refuses what is not protobuf, as those of most languages do. */
interface ProtoBackend extends AsyncDisposable {
  readonly port: number;
  readonly probe: EchoProbe;
  /** Content types that came. */
  readonly types: Set<string>;
}

async function startProtoBackend(): Promise<ProtoBackend> {
  const probe = createProbe();
  const types = new Set<string>();
  const handler = connectNodeAdapter({ routes: (router) => createEchoRoutes(router, probe), readMaxBytes: 16 << 20 });
  const server: Http2Server = createServer((request, response) => {
    const type = request.headers['content-type'] ?? '';
    types.add(type);
    if (type === 'application/grpc+proto' || type === 'application/grpc') return handler(request, response);
    response.writeHead(415).end();
  });
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    probe,
    types,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const JSON_TYPE = { 'content-type': 'application/json' };

describe.each([0, 2])('JSON for a backend that takes protobuf only, with %i workers', (workers) => {
  let gateway: TestGateway;
  let backend: ProtoBackend;
  let folder: Folder;
  const path = (method: string): string => `/${EchoService.typeName}/${method}`;

  async function post(method: string, body: string | Uint8Array, headers: Record<string, string> = JSON_TYPE) {
    const response = await fetch(`${gateway.baseUrl}${path(method)}`, { method: 'POST', headers, body });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }

  beforeAll(async () => {
    folder = await makeFolder();
    backend = await startProtoBackend();
    const schema = join(folder.path, 'echo.binpb');
    await writeFile(schema, schemaOf([EchoService]));
    const address = `127.0.0.1:${backend.port}`;
    gateway = await startTestGateway({
      workers,
      config: { discovery: { endpoints: [{ address, services: [EchoService.typeName], schema }] } },
    });
    await eventually(async () => expect((await post('Say', '"ready"')).status).toBe(200));
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await backend[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
    expect([...backend.types]).toEqual(['application/grpc+proto']);
  });

  it('answers unary calls', async () => {
    const answer = await post('Say', '"größer"');
    expect(answer.text).toBe('"größer"');
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect((await post('Blob', '"AAECAw=="')).text).toBe('"AAECAw=="');
  });

  it('answers calls by GET', async () => {
    const query = `encoding=json&message=${encodeURIComponent('"by GET"')}`;
    const response = await fetch(`${gateway.baseUrl}${path('Say')}?${query}`);
    expect(await response.text()).toBe('"by GET"');
  });

  it('answers failures whole', async () => {
    const answer = await post('Say', '"fail"');
    expect(answer.status).toBe(404);
    expect(answer.headers.get('trailer-x-trailer') ?? answer.headers.get('x-trailer')).toBe('afterwards');
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'not_found',
      message: 'nothing like 100 % größer',
      details: [{ type: 'google.protobuf.StringValue' }],
    });
  });

  it.each([
    ['what is no JSON', 'nonsense'],
    ['nothing', ''],
    ['a value of another type', '7'],
    ['more than one value', '"a" "b"'],
  ])('refuses %s without asking the backend', async (_name, body) => {
    const before = backend.probe.headers.length;
    const answer = await post('Say', body);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('google.protobuf.StringValue'),
    });
    expect(backend.probe.headers).toHaveLength(before);
  });

  it('carries streams both ways', async () => {
    const type = { 'content-type': 'application/connect+json' };
    const envelope = (message: string, flags = 0): Buffer => {
      const prefix = Buffer.alloc(5);
      prefix[0] = flags;
      prefix.writeUInt32BE(Buffer.byteLength(message), 1);
      return Buffer.concat([prefix, Buffer.from(message)]);
    };
    const count = await askRaw(gateway.apiPort, { http: 1, path: path('Count'), headers: type, body: envelope('3') });
    const frames = ['"1"', '"2"', '"3"'].map((message) => envelope(message));
    expect(count.body.subarray(0, 24)).toEqual(Buffer.concat(frames));
    expect(count.body.subarray(29).toString()).toContain('"not_found"');
    const join = await askRaw(gateway.apiPort, {
      http: 2,
      path: path('Join'),
      headers: type,
      body: Buffer.concat([envelope('"a"'), envelope('"b"'), envelope('"c"')]),
    });
    expect(join.body).toEqual(Buffer.concat([envelope('"a b c"'), envelope('{}', 2)]));
  });

  it.each([
    ['the request', { 'content-encoding': 'gzip' }],
    ['the answer', { 'accept-encoding': 'gzip' }],
    ['both', { 'content-encoding': 'gzip', 'accept-encoding': 'gzip' }],
  ])('converts with %s compressed', async (_name, headers) => {
    const body = JSON.stringify('abc'.repeat(10_000));
    const answer = await askRaw(gateway.apiPort, {
      http: 1,
      path: path('Say'),
      headers: { ...JSON_TYPE, 'accept-encoding': 'identity', ...headers },
      body: 'content-encoding' in headers ? gzipSync(body) : body,
    });
    const compressed = 'accept-encoding' in headers;
    expect(answer.headers['content-encoding']).toBe(compressed ? 'gzip' : undefined);
    expect((compressed ? gunzipSync(answer.body) : answer.body).toString()).toBe(body);
  });

  it('carries a message above what a thread converts by itself', async () => {
    const body = JSON.stringify('x'.repeat(3 * 1_048_576));
    expect((await post('Say', body)).text).toBe(body);
  });

  it('refuses bombs while good calls go on', async () => {
    const bombs = [
      gzipSync(Buffer.alloc(256 * 1_048_576, 0x20)),
      gzipSync(`"${'x'.repeat(16 * 1_048_576)}"`),
      gzipSync(`{"a":[${'{},'.repeat(1_000_000)}{}]}`),
      gzipSync('['.repeat(2_000_000)),
    ];
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    const rounds = 5;
    let attack: 'under way' | 'over' = 'under way';
    const attacked = (async () => {
      const codes: string[] = [];
      for (let round = 0; round < rounds; round++) {
        const answers = await Promise.all(bombs.map((bomb) => post('Say', bomb, headers)));
        codes.push(answers.map(({ text }) => (JSON.parse(text) as { code: string }).code).join(' '));
      }
      attack = 'over';
      return codes;
    })();
    const isOver = (): boolean => attack === 'over';
    let good = 0;
    for (; !isOver(); good++) expect((await post('Say', '"good"')).text).toBe('"good"');
    const refused = 'resource_exhausted resource_exhausted resource_exhausted invalid_argument';
    expect(await attacked).toEqual(Array(rounds).fill(refused));
    expect(good).toBeGreaterThan(rounds);
  });

  it.each(DIALECTS.filter(({ name }) => name.includes('JSON')))('serves a client: $name', async (dialect) => {
    for (const compress of [false, true]) {
      using connected = dialect.connect(gateway.baseUrl, { compress });
      const client = createClient(EchoService, connected.transport);
      expect((await client.say({ value: 'hello' })).value).toBe('hello');
      const error = await failureOf(client.say({ value: 'fail' }));
      expect(error.code).toBe(Code.NotFound);
      expect(error.findDetails(StringValueSchema).map(({ value }) => value)).toEqual(['why: größer']);
      const values: string[] = [];
      async function* talk() {
        for (const value of ['a', 'b']) yield { value };
      }
      for await (const { value } of client.chat(talk())) values.push(value);
      expect(values).toEqual(['re: a', 're: b']);
      let bytes = 0;
      for await (const { value } of client.flood({ value: 20 })) bytes += value.length;
      expect(bytes).toBe(20 * 65_536);
    }
  });

  it('tells the backend that a caller has gone', async () => {
    const abort = new AbortController();
    const before = backend.probe.aborted.length;
    const call = fetch(`${gateway.baseUrl}${path('Say')}`, {
      method: 'POST',
      headers: JSON_TYPE,
      body: '"hang"',
      signal: abort.signal,
    });
    const calls = backend.probe.headers.length;
    await eventually(() => expect(backend.probe.headers.length).toBeGreaterThan(calls));
    abort.abort();
    await expect(call).rejects.toThrow('abort');
    await eventually(() => expect(backend.probe.aborted.length).toBe(before + 1));
  });
});

describe('JSON where nothing can be converted', () => {
  it('says what is missing, at once', async () => {
    await using backend = await startProtoBackend();
    const endpoint = { address: `127.0.0.1:${backend.port}`, services: [EchoService.typeName] };
    await using gateway = await startTestGateway({ workers: 0, config: { discovery: { endpoints: [endpoint] } } });
    const url = `${gateway.baseUrl}/${EchoService.typeName}/Say`;
    await eventually(async () => {
      const response = await fetch(url, { method: 'POST', headers: JSON_TYPE, body: '"x"' });
      expect(JSON.parse(await response.text())).toMatchObject({
        code: 'unimplemented',
        message: expect.stringContaining('its descriptors are not known here'),
      });
    });
    expect(backend.types.size).toBe(0);
  });
});
