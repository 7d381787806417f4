import { once } from 'node:events';
import { createServer as createHttp1Server } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Server, Socket } from 'node:net';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { systemClock, type Link, type RequestHead, type Service } from '@bascule/core';
import { Code, ConnectError, type ConnectRouter, type HandlerContext, type Transport } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip, connectNodeAdapter } from '@connectrpc/connect-node';
import { createTransport as createGrpcTransport } from '@connectrpc/connect/protocol-grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createConnectUpstream } from '../../src/dialect/connect/upstream.ts';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createGrpcWebUpstream } from '../../src/dialect/grpc-web/upstream.ts';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { createHttp1Link } from '../../src/http1/client/link.ts';
import { createHttp2Link } from '../../src/http2/client/link.ts';
import { createServiceClient } from '../dialect/support/client.ts';
import { watchLaw, type Violations } from '../dialect/support/law.ts';
import { routes, text } from '../dialect/support/rig.ts';
import { REFUSING } from './support.ts';
import { streamOf, TestService, UNARY } from '../dialect/support/schema.ts';

type Text = ReturnType<typeof text>;

/** Ways to the official server. */
const WAYS = [
  { name: 'gRPC over HTTP/2', create: createGrpcUpstream, http1: false },
  { name: 'gRPC-Web over HTTP/2', create: createGrpcWebUpstream, http1: false },
  { name: 'gRPC-Web over HTTP/1.1', create: createGrpcWebUpstream, http1: true },
  { name: 'Connect over HTTP/2', create: (next: Service) => createConnectUpstream(next), http1: false },
  { name: 'Connect over HTTP/1.1', create: (next: Service) => createConnectUpstream(next), http1: true },
  {
    name: 'Connect with GET over HTTP/1.1',
    create: (next: Service) => createConnectUpstream(next, { get: () => true }),
    http1: true,
  },
];

const MODES = [
  { binary: true, compression: null },
  { binary: false, compression: null },
  { binary: true, compression: compressionGzip },
  { binary: false, compression: compressionBrotli },
];

const edge = createDialectLayer({ maxMessageBytes: 4_194_304, clock: systemClock, other: REFUSING });

/** What a call meets that has no answer: `stuck` waits for its caller to go. */
const stuck = { began: Promise.withResolvers<HandlerContext>() };

function allRoutes(router: ConnectRouter): void {
  routes(router);
  router.rpc({ ...UNARY, name: 'Stuck', localName: 'stuck' }, async (_request, context) => {
    stuck.began.resolve(context);
    await once(context.signal, 'abort');
    throw context.signal.reason;
  });
}

interface Backend {
  readonly port: number;
  close(): Promise<void>;
}

async function startBackend(http1: boolean): Promise<Backend> {
  const adapter = connectNodeAdapter({
    routes: allRoutes,
    acceptCompression: [compressionGzip, compressionBrotli],
    compressMinBytes: 0,
  });
  const open = new Set<Socket | ServerHttp2Session>();
  const server: Server = http1 ? createHttp1Server(adapter) : createHttp2Server(adapter);
  server.on(http1 ? 'connection' : 'session', (one: Socket | ServerHttp2Session) => {
    open.add(one);
    one.on('close', () => open.delete(one));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const one of open) one.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const KINDS = {
  unary: 'unary',
  client_streaming: 'client_stream',
  server_streaming: 'server_stream',
  bidi_streaming: 'bidi_stream',
} as const;

/** What a gateway puts between edge and upstream: the method's facts, and the time that is left. */
function knowingMethods(next: Service): Service {
  return (head: RequestHead, reply) => {
    const name = head.path.slice(head.path.lastIndexOf('/') + 1);
    const method = TestService.methods.find((candidate) => candidate.name === name);
    head.call.method = {
      service: TestService.typeName,
      method: name,
      kind: KINDS[method?.methodKind ?? 'unary'],
      idempotency: name === 'Unary' ? 'no_side_effects' : 'unknown',
    };
    const { deadlineMs } = head.call;
    if (deadlineMs === undefined) return next(head, reply);
    const leftMs = Math.floor(deadlineMs - systemClock.nowMs());
    return next({ ...head, fields: [...head.fields, 'grpc-timeout', `${leftMs}m`] }, reply);
  };
}

async function* once1(...values: string[]): AsyncIterable<Text> {
  for (const value of values) yield text(value);
}

async function collect(messages: AsyncIterable<Text>, into: string[] = []): Promise<string[]> {
  for await (const message of messages) into.push(message.value);
  return into;
}

async function errorOf(work: Promise<unknown>): Promise<ConnectError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ConnectError)) throw new Error(`expected a ConnectError, got ${String(error)}`);
  return error;
}

function expectError(error: ConnectError): void {
  expect(error.code).toBe(Code.FailedPrecondition);
  expect(error.rawMessage).toBe('no grüße % left');
  expect(error.findDetails(StringValueSchema).map((detail) => detail.value)).toEqual(['a detail']);
  expect(error.metadata.get('x-error')).toBe('why');
  expect(error.metadata.get('x-tail')).toBe('one, two');
}

describe.each(WAYS)('the official server by $name', ({ create: createUpstream, http1 }) => {
  let backend: Backend;
  let link: Link;
  const violations: Violations = [];

  beforeAll(async () => {
    backend = await startBackend(http1);
    const target = { host: '127.0.0.1', port: backend.port, clock: systemClock };
    link = http1 ? createHttp1Link(target) : createHttp2Link(target);
  });

  afterAll(async () => {
    link.destroy();
    await link.close();
    await backend.close();
    expect(violations).toEqual([]);
  });

  function createTransport({ binary, compression }: (typeof MODES)[number]): Transport {
    const upstream = watchLaw('outer', createUpstream(watchLaw('inner', link.service, violations)), violations);
    return createGrpcTransport({
      httpClient: createServiceClient(edge(knowingMethods(upstream))),
      baseUrl: 'http://backend.local',
      useBinaryFormat: binary,
      interceptors: [],
      acceptCompression: compression === null ? [] : [compression],
      sendCompression: compression,
      compressMinBytes: 0,
      readMaxBytes: 0xffffffff,
      writeMaxBytes: 0xffffffff,
    });
  }

  const stream = (transport: Transport, method: string, values: AsyncIterable<Text>) =>
    transport.stream(streamOf(method), undefined, undefined, undefined, values);

  describe.each(MODES)('binary $binary, compression $compression.name', (mode) => {
    it('answers unary calls, with metadata both ways, of any size', async () => {
      const transport = createTransport(mode);
      for (const value of ['', 'größer & + = ?', 'x'.repeat(300_000)]) {
        const header = { 'x-ask': 'word', 'x-ask-bin': 'AQID' };
        const response = await transport.unary(UNARY, undefined, 5000, header, text(value));
        expect(response.message.value).toBe(`${value}!`);
        expect(response.header.get('x-head')).toBe('word, again');
        expect(response.header.get('x-head-bin')).toBe('AQID');
        expect(response.trailer.get('x-tail')).toBe('one, two');
        expect(response.trailer.get('x-tail-bin')).toBe('AP8Q');
      }
    });

    it('tells errors with code, message, details and metadata', async () => {
      const transport = createTransport(mode);
      expectError(await errorOf(transport.unary(UNARY, undefined, undefined, undefined, text('fail'))));
      const response = await stream(transport, 'serverStream', once1('2x1fail'));
      const values: string[] = [];
      expectError(await errorOf(collect(response.message, values)));
      expect(values.map(Number)).toEqual([0, 1]);
    });

    it('streams from the server, far beyond the window', async () => {
      const response = await stream(createTransport(mode), 'serverStream', once1('40x9000'));
      const values = await collect(response.message);
      expect(values.length).toBe(40);
      expect(values.every((value, i) => value.length === 9000 && value.startsWith(String(i)))).toBe(true);
      expect(response.header.get('x-head')).toBe('nothing, again');
      expect(response.trailer.get('x-tail')).toBe('one, two');
    });

    it('streams nothing', async () => {
      const response = await stream(createTransport(mode), 'serverStream', once1('0'));
      expect(await collect(response.message)).toEqual([]);
    });

    it('streams to the server, far beyond the window', async () => {
      const parts = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(9000, '.'));
      const response = await stream(createTransport(mode), 'clientStream', once1(...parts));
      expect(await collect(response.message)).toEqual([parts.join('')]);
    });

    // The official server refuses these over HTTP/1.1.
    it.skipIf(http1)('streams both ways at once', async () => {
      const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      async function* asks(): AsyncIterable<Text> {
        yield text('a');
        await gates[0]?.promise;
        yield text('b');
        await gates[1]?.promise;
        yield text('fail');
      }
      const response = await stream(createTransport(mode), 'bidi', asks());
      const values: string[] = [];
      const reading = (async () => {
        for await (const message of response.message) {
          values.push(message.value);
          gates[values.length - 1]?.resolve();
        }
      })();
      expectError(await errorOf(reading));
      expect(values).toEqual(['a!', 'b!']);
    });
  });

  it('ends a call at its deadline, which it was told', async () => {
    stuck.began = Promise.withResolvers();
    const transport = createTransport({ binary: true, compression: null });
    const call = errorOf(
      transport.unary({ ...UNARY, name: 'Stuck', localName: 'stuck' }, undefined, 200, undefined, text('x')),
    );
    const context = await stuck.began.promise;
    expect(context.timeoutMs()).toBeGreaterThan(0);
    expect(context.timeoutMs()).toBeLessThanOrEqual(200);
    expect((await call).code).toBe(Code.DeadlineExceeded);
  });

  it('hears of a cancel', async () => {
    stuck.began = Promise.withResolvers();
    const transport = createTransport({ binary: true, compression: null });
    const abort = new AbortController();
    const call = errorOf(
      transport.unary({ ...UNARY, name: 'Stuck', localName: 'stuck' }, abort.signal, undefined, undefined, text('x')),
    );
    const context = await stuck.began.promise;
    const aborted = once(context.signal, 'abort');
    abort.abort();
    expect((await call).code).toBe(Code.Canceled);
    await aborted;
  });

  it('knows no other methods', async () => {
    const transport = createTransport({ binary: true, compression: null });
    const missing = { ...UNARY, name: 'Missing', localName: 'missing' };
    const error = await errorOf(transport.unary(missing, undefined, undefined, undefined, text('x')));
    expect(error.code).toBe(Code.Unimplemented);
  });
});
