import { Agent } from 'node:http';
import { Code, ConnectError, createClient, type Client } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
  Http2SessionManager,
} from '@connectrpc/connect-node';
import { createTransport } from '@connectrpc/connect/protocol-grpc';
import { systemClock, type Service } from '@bascule/core';
import { createHttp2Link } from '@bascule/wire';
import { createServiceClient } from '../../packages/wire/test/dialect/support/client.ts';
import { pause, type Chance } from './chance.ts';
import type { Journal } from './journal.ts';
import { ChaosService, type Plan, type Word } from './schema.ts';

/** One client with its connections. */
interface Caller {
  readonly name: string;
  readonly client: Client<typeof ChaosService>;
  readonly http1: boolean;
  /** Node's HTTP/2 client ends a request in order before it resets it: its servers cannot tell that it was left. */
  readonly endsWhatItLeaves: boolean;
  close(): void;
}

export function createCallers(baseUrl: string): Caller[] {
  const callers: Caller[] = [];
  for (const create of [createGrpcWebTransport, createConnectTransport]) {
    const kind = create === createConnectTransport ? 'connect' : 'grpc-web';
    for (const useBinaryFormat of [true, false]) {
      const agent = new Agent({ keepAlive: true, maxSockets: 6 });
      const nodeOptions = { agent };
      callers.push({
        name: `${kind} over 1`,
        client: createClient(ChaosService, create({ baseUrl, httpVersion: '1.1', useBinaryFormat, nodeOptions })),
        http1: true,
        endsWhatItLeaves: false,
        close: () => agent.destroy(),
      });
      const sessionManager = new Http2SessionManager(baseUrl);
      callers.push({
        name: `${kind} over 2`,
        client: createClient(ChaosService, create({ baseUrl, httpVersion: '2', useBinaryFormat, sessionManager })),
        http1: false,
        endsWhatItLeaves: true,
        close: () => sessionManager.abort(),
      });
    }
  }
  const sessionManager = new Http2SessionManager(baseUrl);
  callers.push({
    name: 'grpc',
    client: createClient(ChaosService, createGrpcTransport({ baseUrl, sessionManager })),
    http1: false,
    endsWhatItLeaves: true,
    close: () => sessionManager.abort(),
  });
  callers.push(createLinkCaller(baseUrl));
  return callers;
}

/** The gateway's own HTTP/2 client in the role of a caller: it resets what it leaves. */
function createLinkCaller(baseUrl: string): Caller {
  const link = createHttp2Link({ host: '127.0.0.1', port: Number(new URL(baseUrl).port), clock: systemClock });
  const transport = createTransport({
    baseUrl,
    httpClient: createServiceClient(withHeads(link.service)),
    useBinaryFormat: true,
    interceptors: [],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 0,
    readMaxBytes: 0xffff_ffff,
    writeMaxBytes: 0xffff_ffff,
  });
  return {
    name: 'our own grpc',
    client: createClient(ChaosService, transport),
    http1: false,
    endsWhatItLeaves: false,
    close: () => link.destroy(),
  };
}

/** HTTP clients want a head always, and our link leaves it out where it says nothing. */
function withHeads(service: Service): Service {
  return (head, reply) => {
    let isHeadless = true;
    return service(head, {
      ...reply,
      head(response) {
        isHeadless = false;
        reply.head(response);
      },
      end(trailers) {
        if (isHeadless) reply.head({ status: 200, fields: ['content-type', 'application/grpc+proto', ...trailers] });
        reply.end(trailers);
      },
    });
  };
}

const METHODS = ['get', 'get', 'do', 'do', 'watch', 'put', 'chat'] as const;

/** Makes one call, leaves it at a moment of chance or reads it to its end, and judges what came. */
export async function runCall(caller: Caller, id: number, chance: Chance, journal: Journal): Promise<void> {
  const method = chance.pick(METHODS);
  if (method === 'chat' && caller.http1) return;
  const leaving = new AbortController();
  const options = { signal: leaving.signal, timeoutMs: 200 + chance.int(1500) };
  const timer = chance.chance(0.25) ? setTimeout(() => leaving.abort(), chance.int(60)) : undefined;
  const count = 1 + chance.int(method === 'watch' ? 40 : 8);
  const slow = chance.chance(0.1);
  const plan = (seq: number): { value: string } => {
    const pad = 'r'.repeat(chance.chance(0.1) ? chance.int(150_000) : chance.int(100));
    return { value: JSON.stringify({ id, method, count, seq, pad, caller: caller.name } satisfies Plan) };
  };
  const read = ({ value }: { value: string }): Word => JSON.parse(value) as Word;
  async function* send(): AsyncGenerator<{ value: string }> {
    for (let seq = 0; seq < count; seq++) {
      if (chance.chance(0.2)) await pause(chance.int(15), leaving.signal);
      yield plan(seq);
    }
  }
  async function readAll(words: AsyncIterable<{ value: string }>): Promise<void> {
    let seq = 0;
    for await (const message of words) {
      const word = read(message);
      if (word.id !== id || word.seq !== seq)
        journal.wrong(`${method} ${id}: got word ${word.seq} of ${word.id} for word ${seq}`);
      seq++;
      if (slow) await pause(chance.int(20), leaving.signal);
    }
    if (seq !== count) journal.wrong(`${method} ${id}: OK with ${seq} words of ${count}`);
  }
  function judge(word: Word, seq: number): void {
    if (word.id !== id || word.seq !== seq) journal.wrong(`${method} ${id}: got word ${word.seq} of call ${word.id}`);
  }
  try {
    if (method === 'get') judge(read(await caller.client.get(plan(0), options)), 0);
    else if (method === 'do') judge(read(await caller.client.do(plan(0), options)), 0);
    else if (method === 'put') judge(read(await caller.client.put(send(), options)), count);
    else
      await readAll(method === 'watch' ? caller.client.watch(plan(0), options) : caller.client.chat(send(), options));
    journal.ended('ok');
  } catch (error) {
    if (caller.endsWhatItLeaves) journal.left(id);
    if (!(error instanceof ConnectError)) journal.wrong(`${method} ${id}: ${String(error)}`);
    else journal.ended(Code[error.code]);
  } finally {
    clearTimeout(timer);
  }
}
