import { getField } from '@bascule/core';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import type { MessageShape } from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { createTransport as createConnectTransport } from '@connectrpc/connect/protocol-connect';
import { createTransport as createGrpcTransport } from '@connectrpc/connect/protocol-grpc';
import { createTransport as createGrpcWebTransport } from '@connectrpc/connect/protocol-grpc-web';
import type { Compression, UniversalClientFn } from '@connectrpc/connect/protocol';
import { describe, expect, it } from 'vitest';
import { createRig, text } from './support/rig.ts';
import { streamOf, UNARY } from './support/schema.ts';

type Text = MessageShape<typeof StringValueSchema>;

const TRANSPORTS = {
  grpc: createGrpcTransport,
  'grpc-web': createGrpcWebTransport,
  connect: createConnectTransport,
};

interface Variant {
  readonly dialect: keyof typeof TRANSPORTS;
  readonly binary: boolean;
  readonly compression: Compression | null;
}

const VARIANTS: Variant[] = Object.keys(TRANSPORTS).flatMap((dialect) =>
  [true, false].flatMap((binary) =>
    [null, compressionGzip].map((compression) => ({ dialect: dialect as Variant['dialect'], binary, compression })),
  ),
);

function createTransport(
  { dialect, binary, compression }: Variant,
  httpClient: UniversalClientFn,
  useHttpGet = false,
): Transport {
  return TRANSPORTS[dialect]({
    httpClient,
    baseUrl: 'http://edge.local',
    useBinaryFormat: binary,
    interceptors: [],
    acceptCompression: compression === null ? [] : [compression],
    sendCompression: compression,
    compressMinBytes: 0,
    readMaxBytes: 0xffffffff,
    writeMaxBytes: 0xffffffff,
    useHttpGet,
  });
}

async function* once(...values: string[]): AsyncIterable<Text> {
  for (const value of values) yield text(value);
}

function stream(transport: Transport, method: string, values: AsyncIterable<Text>) {
  return transport.stream(streamOf(method), undefined, undefined, undefined, values);
}

async function collect(messages: AsyncIterable<Text>): Promise<string[]> {
  const values: string[] = [];
  for await (const message of messages) values.push(message.value);
  return values;
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

describe.each(VARIANTS)('the official $dialect client, binary $binary, compression $compression.name', (variant) => {
  const options = { acceptCompression: [compressionGzip, compressionBrotli], compressMinBytes: 0 };

  it('calls unary methods, with metadata both ways', async () => {
    const rig = createRig(options);
    const transport = createTransport(variant, rig.httpClient);
    const header = { 'x-ask': 'word', 'x-ask-bin': 'AQID', cookie: 'a=b' };
    const response = await transport.unary(UNARY, undefined, 5000, header, text('hallo'));
    expect(response.message.value).toBe('hallo!');
    expect(response.header.get('x-head')).toBe('word, again');
    expect(response.header.get('x-head-bin')).toBe('AQID');
    expect(response.trailer.get('x-tail')).toBe('one, two');
    expect(response.trailer.get('x-tail-bin')).toBe('AP8Q');
    const inner = rig.heads[0];
    expect(inner?.method).toBe('POST');
    expect(getField(inner?.fields ?? [], 'content-type')).toBe(
      variant.binary ? 'application/grpc+proto' : 'application/grpc+json',
    );
    expect(getField(inner?.fields ?? [], 'cookie')).toBe('a=b');
    expect(getField(inner?.fields ?? [], 'grpc-timeout')).toBeUndefined();
    expect(inner?.call.deadlineMs).toBe(6000);
    expect(getField(inner?.fields ?? [], 'grpc-encoding')).toBe(variant.compression?.name);
    expect(rig.violations).toEqual([]);
  });

  it('calls unary methods with an empty message and with one beyond the window', async () => {
    const rig = createRig(options);
    const transport = createTransport(variant, rig.httpClient);
    for (const value of ['', 'x'.repeat(300_000)]) {
      const response = await transport.unary(UNARY, undefined, undefined, undefined, text(value));
      expect(response.message.value).toBe(`${value}!`);
    }
    expect(rig.violations).toEqual([]);
  });

  it('tells errors with code, message, details and metadata', async () => {
    const rig = createRig(options);
    const transport = createTransport(variant, rig.httpClient);
    expectError(await errorOf(transport.unary(UNARY, undefined, undefined, undefined, text('fail'))));
    const response = await stream(transport, 'serverStream', once('2x1fail'));
    const values: string[] = [];
    const error = await errorOf(
      (async () => {
        for await (const message of response.message) values.push(message.value);
      })(),
    );
    expectError(error);
    expect(values.map(Number)).toEqual([0, 1]);
    expect(rig.violations).toEqual([]);
  });

  it('streams from the server, far beyond the window', async () => {
    const rig = createRig(options);
    const response = await stream(createTransport(variant, rig.httpClient), 'serverStream', once('40x9000'));
    const values = await collect(response.message);
    expect(values.length).toBe(40);
    expect(values.every((value, i) => value.length === 9000 && value.startsWith(String(i)))).toBe(true);
    expect(response.header.get('x-head')).toBe('nothing, again');
    expect(response.trailer.get('x-tail')).toBe('one, two');
    expect(rig.violations).toEqual([]);
  });

  it('streams nothing', async () => {
    const rig = createRig(options);
    const response = await stream(createTransport(variant, rig.httpClient), 'serverStream', once('0'));
    expect(await collect(response.message)).toEqual([]);
    expect(rig.violations).toEqual([]);
  });

  it('streams to the server, far beyond the window', async () => {
    const rig = createRig(options);
    const parts = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(9000, '.'));
    const response = await stream(createTransport(variant, rig.httpClient), 'clientStream', once(...parts));
    expect(await collect(response.message)).toEqual([parts.join('')]);
    expect(rig.violations).toEqual([]);
  });

  it('streams both ways at once', async () => {
    const rig = createRig(options);
    const gates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    async function* asks(): AsyncIterable<Text> {
      yield text('a');
      await gates[0]?.promise;
      yield text('b');
      await gates[1]?.promise;
      yield text('fail');
    }
    const response = await stream(createTransport(variant, rig.httpClient), 'bidi', asks());
    const values: string[] = [];
    const error = await errorOf(
      (async () => {
        for await (const message of response.message) {
          values.push(message.value);
          gates[values.length - 1]?.resolve();
        }
      })(),
    );
    expect(values).toEqual(['a!', 'b!']);
    expectError(error);
    expect(rig.violations).toEqual([]);
  });

  it('is told of unknown methods', async () => {
    const rig = createRig(options);
    const transport = createTransport(variant, (request) =>
      rig.httpClient({ ...request, url: request.url.replace('/Unary', '/Missing') }),
    );
    const error = await errorOf(transport.unary(UNARY, undefined, undefined, undefined, text('x')));
    expect(error.code).toBe(Code.Unimplemented);
    expect(rig.violations).toEqual([]);
  });
});

describe.each([true, false])('the official Connect client by GET, binary %s', (binary) => {
  it('calls methods without side effects', async () => {
    const rig = createRig({ acceptCompression: [compressionGzip] });
    const methods: string[] = [];
    const transport = createTransport(
      { dialect: 'connect', binary, compression: compressionGzip },
      (request) => {
        methods.push(request.method);
        return rig.httpClient(request);
      },
      true,
    );
    const value = 'größer & + = ?';
    const response = await transport.unary(UNARY, undefined, 5000, undefined, text(value));
    expect(response.message.value).toBe(`${value}!`);
    expectError(await errorOf(transport.unary(UNARY, undefined, undefined, undefined, text('fail'))));
    expect(methods).toEqual(['GET', 'GET']);
    expect(rig.heads[0]?.path).toBe('/test.v1.TestService/Unary');
    expect(rig.heads[0]?.call.deadlineMs).toBe(6000);
    expect(rig.violations).toEqual([]);
  });
});
