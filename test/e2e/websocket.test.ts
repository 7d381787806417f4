import { Code, createClient } from '@connectrpc/connect';
import { createHead, startCall } from '@bascule/testing';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RankingService } from '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { EchoService } from './rig/echo-schema.ts';
import { FLOOD_MESSAGE_BYTES, startEcho, type Echo } from './rig/echo.ts';
import { eventually, settled } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';
import { createPackages } from './rig/packages.ts';
import { connectWebSocket } from './rig/sockets.ts';
import { openTally, openWatch } from './rig/streams.ts';

const SWAPS = 6;

async function collect(messages: AsyncIterable<{ value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of messages) values.push(value);
  return values;
}

async function* send(...values: string[]) {
  for (const value of values) yield { value };
}

describe.each([0, 2])('calls over a WebSocket with %i workers', (workers) => {
  let gateway: TestGateway;
  let echo: Echo;

  beforeAll(async () => {
    gateway = await startTestGateway({ workers });
    echo = await startEcho({ registry: gateway.registry });
    await eventually(async () => {
      const { endpoints } = await gateway.operator.admin.listEndpoints({ service: EchoService.typeName });
      expect(endpoints.map(({ state }) => state)).toEqual(['ready']);
    });
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await echo[Symbol.asyncDispose]();
  });

  it('are of all four kinds', async () => {
    await using connected = await connectWebSocket(gateway.baseUrl);
    const client = createClient(EchoService, connected.transport);
    expect((await client.say({ value: 'hello' })).value).toBe('hello');
    expect(await collect(client.count({ value: 5 }))).toEqual(['1', '2', '3', '4', '5']);
    expect((await client.join(send('a', 'b', 'c'))).value).toBe('a b c');
    const told: string[] = [];
    async function* question() {
      for (const value of ['one', 'two', 'three']) {
        yield { value };
        // Full duplex: the next question waits for the answer to this one.
        await eventually(() => expect(told.at(-1)).toBe(`re: ${value}`));
      }
    }
    for await (const { value } of client.chat(question())) told.push(value);
    expect(told).toEqual(['re: one', 're: two', 're: three']);
  });

  it('run by the hundred, and carry megabytes', async () => {
    await using connected = await connectWebSocket(gateway.baseUrl);
    const client = createClient(EchoService, connected.transport);
    const words = Array.from({ length: 100 }, (_, i) => `word ${i}`);
    const said = await Promise.all(words.map(async (value) => (await client.say({ value })).value));
    expect(said).toEqual(words);
    const value = new Uint8Array(3 * 1_048_576).map((_, i) => i * 7);
    expect(Buffer.compare((await client.blob({ value })).value, value)).toBe(0);
  });

  it('fail with code, message, details and trailers', async () => {
    await using connected = await connectWebSocket(gateway.baseUrl);
    const client = createClient(EchoService, connected.transport);
    const error = await failureOf(client.say({ value: 'fail' }));
    expect([error.code, error.rawMessage]).toEqual([Code.NotFound, 'nothing like 100 % größer']);
    expect(error.findDetails(StringValueSchema).map(({ value }) => value)).toEqual(['why: größer']);
    expect(error.metadata.get('x-trailer')).toBe('afterwards');
  });

  it('end at their deadline and when their caller leaves, down to the handler', async () => {
    await using connected = await connectWebSocket(gateway.baseUrl);
    const client = createClient(EchoService, connected.transport);
    const before = echo.probe.aborted.length;
    const late = await failureOf(client.say({ value: 'hang' }, { timeoutMs: 300 }));
    expect(late.code).toBe(Code.DeadlineExceeded);
    await eventually(() => expect(echo.probe.aborted.length).toBe(before + 1));
    const abort = new AbortController();
    const left = failureOf(client.say({ value: 'hang' }, { signal: abort.signal }));
    await eventually(async () => expect(await gateway.operator.openCalls()).toHaveLength(1));
    abort.abort();
    expect((await left).code).toBe(Code.Canceled);
    await eventually(() => expect(echo.probe.aborted.length).toBe(before + 2));
  });

  it('wait for a reader that is slow, alone', async () => {
    await using connected = await connectWebSocket(gateway.baseUrl);
    const client = createClient(EchoService, connected.transport);
    const messages = 800;
    const before = echo.probe.flooded;
    const produced = (): number => echo.probe.flooded - before;
    const flood = startCall(connected.socket.service, createHead({ path: '/e2e.v1.EchoService/Flood' }), false);
    // One message of three bytes: Int32Value with the count as varint.
    flood.body.write(Buffer.from([0, 0, 0, 0, 3, 8, (messages & 127) | 128, messages >> 7]));
    flood.body.end();
    await eventually(() => expect(flood.chunks.length).toBeGreaterThan(0));
    expect(await settled(produced)).toBeLessThan(100 * FLOOD_MESSAGE_BYTES);
    expect((await client.say({ value: 'past it' })).value).toBe('past it');
    flood.body.grant(messages * (FLOOD_MESSAGE_BYTES + 100));
    await flood.done;
    expect(flood.trailers).toContain('0');
    expect(flood.chunks.reduce((sum, chunk) => sum + chunk.length, 0)).toBeGreaterThan(messages * FLOOD_MESSAGE_BYTES);
  });

  it('are told apart in the access log and the metrics', async () => {
    await using connected = await connectWebSocket(gateway.baseUrl);
    const client = createClient(EchoService, connected.transport);
    await client.say({ value: 'logged' });
    await failureOf(client.say({ value: 'fail' }));
    await eventually(async () => {
      const lines = (await gateway.accessLines()).filter(({ dialect }) => dialect === 'websocket');
      expect(new Set(lines.map(({ method, path }) => `${method} ${path}`))).toContain('POST /e2e.v1.EchoService/Say');
      expect(lines.slice(-2).map(({ code }) => code)).toEqual(['ok', 'not_found']);
      const samples = await gateway.operator.metrics();
      const counted = samples.filter(
        ({ name, labels }) => name === 'bascule_calls_total' && labels['dialect'] === 'websocket',
      );
      expect(counted.length).toBeGreaterThan(0);
    });
  });
});

describe.each([0, 2])('swapping a module with %i workers under open sockets', (workers) => {
  it('cuts none of their streams', async () => {
    await using folder = await makeFolder();
    await using gateway = await startTestGateway({ workers });
    const packages = createPackages(folder.path);
    const files = [await packages.ofDemo('ranking'), await packages.ofDemo('ranking-v2')];
    await gateway.operator.deploy(files[0] as string);
    await using first = await connectWebSocket(gateway.baseUrl);
    await using second = await connectWebSocket(gateway.baseUrl);
    const clients = [first, second].map(({ transport }) => createClient(RankingService, transport));
    const streams = clients.flatMap((client, i) => [
      openWatch(client, `watch-${i}`),
      openTally(client, `tally-${i}`),
      openTally(client, `other-${i}`),
    ]);
    await eventually(() => expect(Math.min(...streams.map((s) => s.sequences.length))).toBeGreaterThan(2));
    for (let swap = 1; swap <= SWAPS; swap++) {
      const { version } = await gateway.operator.deploy(files[swap % 2] as string);
      const versions = await Promise.all(clients.map(async (client) => (await client.rank({ callId: 'x' })).version));
      expect(versions).toEqual(clients.map(() => version?.version));
    }
    const lengths = streams.map((s) => s.sequences.length);
    await eventually(() => streams.forEach((s, i) => expect(s.sequences.length).toBeGreaterThan(lengths[i] as number)));
    streams.forEach((stream) => stream.leave());
    expect(await Promise.all(streams.map((stream) => stream.ended))).toEqual(streams.map(() => undefined));
    for (const { sequences, versions } of streams) {
      expect(sequences).toEqual(sequences.map((_, i) => BigInt(i + 1)));
      expect([...versions]).toEqual(['1.0.0']);
    }
    expect([first, second].flatMap(({ socket }) => socket.goAways)).toEqual([]);
  });
});
