import { randomBytes } from 'node:crypto';
import { request, type IncomingMessage } from 'node:http';
import { Code, createClient, encodeBinaryHeader, type CallOptions, type Client } from '@connectrpc/connect';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALECTS, type ConnectOptions, type Dialect } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { FLOOD_MESSAGE_BYTES, startEcho, type Echo } from './rig/echo.ts';
import { eventually, settled } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';

const MIB = 1_048_576;

/** What is read of an answer. */
async function collect(messages: AsyncIterable<{ value: string }>): Promise<string[]> {
  const values: string[] = [];
  for await (const { value } of messages) values.push(value);
  return values;
}

async function* send(...values: string[]) {
  for (const value of values) yield { value };
}

describe.each([0, 2])('calls with %i workers', (workers) => {
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

  function connect(
    dialect: Dialect,
    options: ConnectOptions = {},
  ): Disposable & { client: Client<typeof EchoService> } {
    const connected = dialect.connect(gateway.baseUrl, options);
    return { client: createClient(EchoService, connected.transport), [Symbol.dispose]: connected[Symbol.dispose] };
  }

  describe.each(DIALECTS)('$name', (dialect) => {
    it('carries unary calls and server streams', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      expect((await client.say({ value: 'hello' })).value).toBe('hello');
      expect((await client.say({ value: '' })).value).toBe('');
      expect(await collect(client.count({ value: 5 }))).toEqual(['1', '2', '3', '4', '5']);
      expect(await collect(client.count({ value: 0 }))).toEqual([]);
    });

    it.skipIf(dialect.requestStreams === 'none')('carries client streams and streams both ways', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      expect((await client.join(send('a', 'b', 'c'))).value).toBe('a b c');
      expect((await client.join(send())).value).toBe('');
      expect(await collect(client.chat(send('a', 'b')))).toEqual(['re: a', 're: b']);
    });

    it.runIf(dialect.requestStreams === 'full')('lets both sides of a stream talk in turns', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      let answered: () => void = () => undefined;
      async function* talk() {
        for (const value of ['a', 'b', 'c']) {
          const heard = new Promise<void>((resolve) => (answered = resolve));
          yield { value };
          await heard;
        }
      }
      const values: string[] = [];
      for await (const { value } of client.chat(talk())) {
        values.push(value);
        answered();
      }
      expect(values).toEqual(['re: a', 're: b', 're: c']);
    });

    it('carries metadata both ways, repeated and binary', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      const bytes = Uint8Array.from([0, 255, 44, 128]);
      const headers = new Headers([
        ['x-echo-word', 'one'],
        ['x-echo-word', 'two'],
        ['x-echo-data-bin', encodeBinaryHeader(bytes)],
      ]);
      for (const kind of ['unary', 'stream'] as const) {
        const seen = { header: new Headers(), trailer: new Headers() };
        const options: CallOptions = {
          headers,
          onHeader: (header) => void (seen.header = header),
          onTrailer: (trailer) => void (seen.trailer = trailer),
        };
        if (kind === 'unary') await client.say({ value: 'meta' }, options);
        else await collect(client.count({ value: 1 }, options));
        expect(echo.probe.headers.at(-1)?.get('x-echo-word')).toBe('one, two');
        expect(seen.header.get('x-echo-word')).toBe('one, two');
        expect(seen.trailer.get('x-after-word')).toBe('one, two');
        expect(seen.header.get('x-echo-data-bin')).toBe(encodeBinaryHeader(bytes));
        expect(seen.trailer.get('x-after-data-bin')).toBe(encodeBinaryHeader(bytes));
      }
    });

    it("brings the handler's failure whole: code, words, details, trailers", async () => {
      using connected = connect(dialect);
      const { client } = connected;
      for (const call of [() => client.say({ value: 'fail' }), () => collect(client.count({ value: 3 }))]) {
        const error = await failureOf(call());
        expect(error.code).toBe(Code.NotFound);
        expect(error.rawMessage).toBe('nothing like 100 % größer');
        expect(error.findDetails(StringValueSchema).map(({ value }) => value)).toEqual(['why: größer']);
        expect(error.metadata.get('x-trailer')).toBe('afterwards');
      }
    });

    it('tells the handler of the deadline, and the caller when it is over', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      // On a busy machine a deadline may be over before there is a connection.
      await client.say({ value: 'a' });
      const before = echo.probe.aborted.length;
      const timeouts = echo.probe.timeouts.length;
      const unary = await failureOf(client.say({ value: 'hang' }, { timeoutMs: 300 }));
      expect(unary.code).toBe(Code.DeadlineExceeded);
      const stream = await failureOf(collect(client.count({ value: -1 }, { timeoutMs: 300 })));
      expect(stream.code).toBe(Code.DeadlineExceeded);
      await eventually(() => expect(echo.probe.aborted.slice(before)).toEqual(['say', 'count']));
      for (const timeoutMs of echo.probe.timeouts.slice(timeouts)) expect(timeoutMs).toBeLessThanOrEqual(300);
    });

    it('tells the handler that the caller left', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      const before = echo.probe.aborted.length;
      const started = echo.probe.headers.length;
      const abort = new AbortController();
      const call = failureOf(client.say({ value: 'hang' }, { signal: abort.signal }));
      await eventually(() => expect(echo.probe.headers.length).toBe(started + 1));
      abort.abort();
      expect((await call).code).toBe(Code.Canceled);
      await eventually(() => expect(echo.probe.aborted.slice(before)).toEqual(['say']));

      const leave = new AbortController();
      const stream = async (): Promise<void> => {
        for await (const { value } of client.count({ value: -1 }, { signal: leave.signal })) {
          if (value === '3') leave.abort();
        }
      };
      expect((await failureOf(stream())).code).toBe(Code.Canceled);
      await eventually(() => expect(echo.probe.aborted.slice(before)).toEqual(['say', 'count']));
    });

    it.runIf(dialect.compresses)('carries compressed messages both ways', async () => {
      using connected = connect(dialect, { compress: true });
      const { client } = connected;
      const words = 'compress me '.repeat(5000);
      expect((await client.say({ value: words })).value).toBe(words);
      expect((await client.join(send(words, 'b'))).value).toBe(`${words} b`);
      const line = await eventually(async () => {
        const [last] = (await gateway.accessLines()).filter(({ path }) => path.endsWith('/Join')).slice(-1);
        expect(last?.['request_bytes']).toBeGreaterThan(0);
        return last;
      });
      // 60,000 characters, if they had not been compressed.
      expect(line?.['request_bytes']).toBeLessThan(5000);
    });

    it('carries large messages, and refuses those over the limit', async () => {
      using connected = connect(dialect);
      const { client } = connected;
      const large = randomBytes(3_000_000);
      const answer = await client.blob({ value: large });
      expect(Buffer.compare(answer.value, large)).toBe(0);
      const error = await failureOf(client.blob({ value: new Uint8Array(4 * MIB + 1) }));
      expect(error.code).toBe(Code.ResourceExhausted);
      expect((await client.say({ value: 'after' })).value).toBe('after');
    });

    it('says that a service or a method is unknown', async () => {
      using connected = connect(dialect);
      const { say } = EchoService.method;
      const unknownMethod = { ...say, name: 'Shout' };
      const unknownService = { ...say, parent: { ...say.parent, typeName: 'e2e.v1.Nobody' } };
      using raw = dialect.connect(gateway.baseUrl, {});
      for (const method of [unknownMethod, unknownService]) {
        const call = raw.transport.unary(method, undefined, undefined, undefined, { value: 'x' });
        expect((await failureOf(call)).code).toBe(Code.Unimplemented);
      }
      expect((await connected.client.say({ value: 'after' })).value).toBe('after');
    });
  });

  it('holds a flood back for a slow reader', async () => {
    const messages = 800;
    const before = echo.probe.flooded;
    const produced = (): number => echo.probe.flooded - before;
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const call = request(`${gateway.baseUrl}/e2e.v1.EchoService/Flood`, {
        method: 'POST',
        headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
      });
      call.on('response', resolve).on('error', reject);
      // One message of three bytes: Int32Value with the count as varint.
      call.end(Buffer.from([0, 0, 0, 0, 3, 8, (messages & 127) | 128, messages >> 7]));
    });
    // Nothing is read: what is under way fills the buffers on the way, and then everything stands.
    expect(await settled(produced)).toBeLessThan(20 * MIB);
    let bytes = 0;
    let largestLead = 0;
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      largestLead = Math.max(largestLead, produced() - bytes);
    }
    expect(bytes).toBeGreaterThan(messages * FLOOD_MESSAGE_BYTES);
    expect(largestLead).toBeLessThan(20 * MIB);
  });
});
