import { describe, expect, it } from 'vitest';
import {
  compressionBrotli,
  compressionGzip,
  compressionZstd,
  createNodeTransport,
  type Protocol,
} from '../src/index.ts';
import { connect } from './support/calls.ts';
import { seeError } from './support/scenarios.ts';
import { startServer } from './support/servers.ts';

const PROTOCOLS: readonly Protocol[] = ['grpc', 'grpc-web', 'connect'];
const COMPRESSIONS = [compressionGzip, compressionBrotli, compressionZstd];

it.each(['1.1', '2'] as const)('over HTTP/%s thousands of calls at once wait for their turn', async (httpVersion) => {
  await using server = await startServer(httpVersion);
  await using ours = connect(server.url, { protocol: 'connect', httpVersion });
  const calls = Array.from({ length: 2_500 }, (_, i) => ours.client.say({ value: `${i}` }));
  const values = await Promise.all(calls.map(async (call) => (await call).value));
  expect(new Set(values).size).toBe(2_500);
});

describe.each(PROTOCOLS)('%s', (protocol) => {
  it.each(COMPRESSIONS.map((compression) => [compression.name, compression] as const))(
    'compresses both ways with %s',
    async (name, compression) => {
      await using server = await startServer('2', { compress: true });
      await using ours = connect(server.url, {
        protocol,
        sendCompression: compression,
        acceptCompression: [compression],
        compressMinBytes: 0,
      });
      // Small ones are compressed in line, large ones in the thread pool.
      for (const size of [0, 10, 100_000]) {
        const value = new Uint8Array(size).map((_, i) => i % 7);
        expect(Buffer.compare((await ours.client.blob({ value })).value, value)).toBe(0);
      }
      const answers: string[] = [];
      for await (const { value } of ours.client.count({ value: 3 })) answers.push(value);
      expect(answers).toEqual(['1', '2', '3']);
      const names = { grpc: 'grpc-encoding', 'grpc-web': 'grpc-encoding', connect: 'content-encoding' };
      expect(server.probe.headers[1]?.get(names[protocol])).toBe(name);
    },
  );

  it('refuses answers above readMaxBytes', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol, readMaxBytes: 1000 });
    const small = await ours.client.blob({ value: new Uint8Array(990) });
    expect(small.value).toHaveLength(990);
    const seen = await seeError(ours.client.blob({ value: new Uint8Array(1001) }));
    expect(seen['code']).toBe('ResourceExhausted');
  });

  it('refuses answers that swell above readMaxBytes', async () => {
    await using server = await startServer('2', { compress: true });
    await using ours = connect(server.url, { protocol, readMaxBytes: 100_000 });
    const seen = await seeError(ours.client.blob({ value: new Uint8Array(100_001) }));
    expect(seen['code']).toBe('ResourceExhausted');
  });

  it('sends no request above writeMaxBytes', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { protocol, writeMaxBytes: 1000 });
    const seen = await seeError(ours.client.blob({ value: new Uint8Array(1001) }));
    expect(seen['code']).toBe('ResourceExhausted');
    expect(server.probe.calls).toBe(0);
  });
});

describe('options', () => {
  it.each([
    [{ baseUrl: 'localhost:8080' }, /baseUrl/],
    [{ baseUrl: '/api' }, /baseUrl/],
    [{ baseUrl: 'http://localhost', httpVersion: '1.1' as const }, /gRPC needs HTTP\/2/],
    [{ baseUrl: 'http://localhost', keepaliveMs: 9999 }, /keepaliveMs is 9999/],
    [{ baseUrl: 'http://localhost', readMaxBytes: 0 }, /readMaxBytes is 0/],
  ])('are refused with advice: %j', (options, message) => {
    expect(() => createNodeTransport(options)).toThrow(message);
  });

  it('give calls a deadline, which a call may take off', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url, { defaultTimeoutMs: 50 });
    expect((await seeError(ours.client.say({ value: 'hang' })))['code']).toBe('DeadlineExceeded');
    await ours.client.say({ value: 'a' }, { timeoutMs: 0 });
    expect(server.probe.headers.at(-1)?.has('grpc-timeout')).toBe(false);
  });

  it('put a path in front of calls', async () => {
    await using server = await startServer('2');
    await using ours = connect(`${server.url}/api/`);
    expect((await seeError(ours.client.say({ value: 'a' })))['code']).toBe('Unimplemented');
  });

  it('send calls without side effects as GET', async () => {
    for (const version of ['1.1', '2'] as const) {
      await using server = await startServer(version);
      await using ours = connect(server.url, { protocol: 'connect', httpVersion: version, useHttpGet: true });
      expect((await ours.client.say({ value: 'ä?&' })).value).toBe('ä?&');
      await ours.client.blob({ value: new Uint8Array(3) });
      expect(server.probe.methods).toEqual(['GET', 'POST']);
    }
  });

  it('refuse headers that HTTP does not allow', async () => {
    await using server = await startServer('2');
    await using ours = connect(server.url);
    const seen = await seeError(ours.client.say({ value: 'a' }, { headers: { 'x-a': 'line\r\nx-b: injected' } }));
    expect(seen).toMatchObject({ code: 'Internal', message: expect.stringContaining('"x-a"') as string });
    expect(server.probe.calls).toBe(0);
  });
});
