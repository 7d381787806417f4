import { createNodeTransport, type NodeTransportOptions } from '@bascule/client';
import { serve } from '@bascule/server';
import { hasGo } from '@bascule/testing/go-tool';
import { Code, createClient } from '@connectrpc/connect';
import { describe, expect, test } from 'vitest';
import { EchoService } from '../e2e/rig/echo-schema.ts';
import { failureOf } from '../e2e/rig/failure.ts';
import { echoRoutes } from './echo-routes.ts';
import { buildGrpcGo, startGrpcGo } from './grpc-go.ts';
import { startGrpcJs } from './grpc-js.ts';

/** What the Node transport saw of an EchoService: one call of each kind, a failure, a deadline, many at once. */
async function callAll(port: number, options: Partial<NodeTransportOptions> = {}): Promise<unknown> {
  const transport = createNodeTransport({ baseUrl: `http://127.0.0.1:${port}`, ...options });
  const client = createClient(EchoService, transport);
  try {
    let seenBin: string | null = '';
    const say = await client.say(
      { value: 'hello' },
      { headers: { 'x-data-bin': 'AAH/' }, onHeader: (headers) => (seenBin = headers.get('x-seen-bin')) },
    );
    const failed = await failureOf(client.say({ value: 'fail' }));
    const late = await failureOf(client.say({ value: 'hang' }, { timeoutMs: 100 }));
    const count: string[] = [];
    for await (const { value } of client.count({ value: 3 })) count.push(value);
    const join = await client.join(words());
    const chat: string[] = [];
    for await (const { value } of client.chat(words())) chat.push(value);
    const many = await Promise.all(Array.from({ length: 500 }, (_, i) => client.say({ value: String(i) })));
    return {
      say: say.value,
      seenBin: Buffer.from(seenBin ?? '', 'base64').toString('hex'),
      code: failed.code,
      message: failed.rawMessage,
      deadline: late.code,
      count,
      join: join.value,
      chat,
      many: many.every(({ value }, i) => value === String(i)),
    };
  } finally {
    await transport.close();
  }
}

async function* words(): AsyncGenerator<{ value: string }> {
  for (const value of ['a', 'b', 'c']) yield { value };
}

const SEEN = {
  say: 'hello',
  seenBin: '0001ff',
  code: Code.NotFound,
  message: 'nothing there: ü',
  deadline: Code.DeadlineExceeded,
  count: ['1', '2', '3'],
  join: 'a b c',
  chat: ['a', 'b', 'c'],
  many: true,
};

describe('the Node transport', () => {
  test.each<Partial<NodeTransportOptions>>([
    { protocol: 'grpc' },
    { protocol: 'grpc', useBinaryFormat: false },
    { protocol: 'grpc-web' },
    { protocol: 'grpc-web', httpVersion: '1.1' },
    { protocol: 'connect' },
    { protocol: 'connect', httpVersion: '1.1', useHttpGet: true },
  ])('calls our server: %j', async (options) => {
    const server = await serve({ routes: echoRoutes });
    try {
      expect(await callAll(server.port, options)).toEqual(SEEN);
    } finally {
      await server.close();
    }
  });

  test('calls a server of grpc-js', async () => {
    await using server = await startGrpcJs();
    expect(await callAll(server.port)).toEqual(SEEN);
  });

  test.skipIf(!hasGo())('calls a server of grpc-go', async () => {
    await using server = await startGrpcGo(await buildGrpcGo());
    expect(await callAll(server.port)).toEqual(SEEN);
  });
});
