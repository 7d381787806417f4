import { createServer, type AddressInfo, type Socket } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { StringValueSchema } from '@bufbuild/protobuf/wkt';
import { pause, type Chance } from './chance.ts';
import { encodeFields, encodeFrame, FrameKind } from './frames.ts';
import type { Journal } from './journal.ts';
import type { Plan, Word } from './schema.ts';

/** An HTTP/2 backend made of frames, which breaks every promise it can. */
export interface WildBackend {
  readonly port: number;
  close(): Promise<void>;
}

const PREFACE_BYTES = 24;
const QUOTE = 0x22;

const HEAD = [':status', '200', 'content-type', 'application/grpc+proto'];

export async function startWildBackend(journal: Journal, chance: Chance): Promise<WildBackend> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    if (chance.chance(0.05)) socket.destroy();
    else serveWildly(socket, journal, chance.fork());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

function serveWildly(socket: Socket, journal: Journal, chance: Chance): void {
  const connection = new Connection(socket, journal, chance);
  socket.on('data', (bytes: Buffer) => connection.read(bytes));
}

interface Stream {
  held: Buffer;
  state: 'open' | 'over';
  started: boolean;
  json: boolean;
}

class Connection {
  readonly #socket: Socket;
  readonly #journal: Journal;
  readonly #chance: Chance;
  readonly #streams = new Map<number, Stream>();
  readonly #gone = new AbortController();
  #held = Buffer.alloc(0);
  #skip = PREFACE_BYTES;
  #lastRun = 0;
  #goaway = Infinity;

  constructor(socket: Socket, journal: Journal, chance: Chance) {
    this.#socket = socket;
    this.#journal = journal;
    this.#chance = chance;
    socket.on('close', () => this.#gone.abort());
    const maxStreams = Buffer.alloc(6);
    maxStreams.writeUInt16BE(3, 0);
    maxStreams.writeUInt32BE(chance.pick([1, 4, 100]), 2);
    this.#send(FrameKind.settings, 0, 0, maxStreams);
  }

  #send(type: number, flags: number, id: number, payload: Buffer = Buffer.alloc(0)): void {
    if (this.#socket.writable) this.#socket.write(encodeFrame(type, flags, id, payload));
  }

  read(bytes: Buffer): void {
    let all = Buffer.concat([this.#held, bytes]);
    const skipped = Math.min(this.#skip, all.length);
    this.#skip -= skipped;
    all = all.subarray(skipped);
    while (all.length >= 9 && all.length >= 9 + all.readUIntBE(0, 3)) {
      const length = all.readUIntBE(0, 3);
      this.#take(all[3] as number, all[4] as number, all.readUInt32BE(5), all.subarray(9, 9 + length));
      all = all.subarray(9 + length);
    }
    this.#held = Buffer.from(all);
  }

  #take(type: number, flags: number, id: number, payload: Buffer): void {
    if (type === FrameKind.settings && flags === 0) return this.#send(FrameKind.settings, 1, 0);
    if (type === FrameKind.headers)
      this.#streams.set(id, { held: Buffer.alloc(0), state: 'open', started: false, json: false });
    const stream = this.#streams.get(id);
    if (type === FrameKind.reset && stream !== undefined) stream.state = 'over';
    if (type !== FrameKind.data || stream === undefined || stream.state === 'over') return;
    this.#giveBack(id, payload.length);
    if (stream.started) return;
    stream.held = Buffer.concat([stream.held, payload]);
    if (stream.held.length < 5 || stream.held.length < 5 + stream.held.readUInt32BE(1)) return;
    stream.started = true;
    const message = stream.held.subarray(5, 5 + stream.held.readUInt32BE(1));
    // The codecs are told apart by their first byte.
    stream.json = message[0] === QUOTE;
    const plan = readPlan(message, stream.json);
    if (plan === undefined) this.#reset(id, stream, 2);
    else void this.#answer(id, stream, plan);
  }

  #giveBack(id: number, length: number): void {
    if (length === 0) return;
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(length);
    this.#send(FrameKind.windowUpdate, 0, 0, bytes);
    this.#send(FrameKind.windowUpdate, 0, id, bytes);
  }

  async #answer(id: number, stream: Stream, plan: Plan): Promise<void> {
    const chance = this.#chance;
    if (id > this.#goaway) return;
    const repeatable = plan.method === 'get' || plan.method === 'watch';
    if (chance.chance(0.08)) return this.#reset(id, stream, 7);
    if (chance.chance(0.03)) return this.#leave();
    this.#lastRun = Math.max(this.#lastRun, id);
    this.#journal.ran(plan.id, repeatable, `a wild backend as ${plan.method}`);
    if (chance.chance(0.3)) await pause(chance.int(30), this.#gone.signal);
    if (stream.state === 'over' || this.#gone.signal.aborted) return;
    this.#misbehave(id, stream, plan);
  }

  /** GOAWAY for what has not run; what has run is still answered, unless the socket goes first. */
  #leave(): void {
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(this.#lastRun, 0);
    this.#goaway = this.#lastRun;
    this.#send(FrameKind.goaway, 0, 0, payload);
    if (this.#chance.chance(0.3)) this.#socket.end();
  }

  #reset(id: number, stream: Stream, code: number): void {
    stream.state = 'over';
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(code);
    this.#send(FrameKind.reset, 0, id, payload);
  }

  #fields(id: number, flags: number, fields: readonly string[]): void {
    this.#send(FrameKind.headers, flags | FrameKind.endHeaders, id, encodeFields(fields));
  }

  #misbehave(id: number, stream: Stream, plan: Plan): void {
    const { pick, int } = this.#chance;
    const word = frameWord(
      { id: plan.id, seq: plan.method === 'put' ? plan.count : 0, pad: 'w'.repeat(int(300)) },
      stream.json,
    );
    const end = (...fields: string[]): void => {
      stream.state = 'over';
      this.#fields(id, FrameKind.endStream, fields);
    };
    const acts: (() => void)[] = [
      () => this.#right(id, stream, plan),
      () => this.#right(id, stream, plan),
      () => this.#right(id, stream, plan),
      () =>
        end(
          ...HEAD,
          'grpc-status',
          pick(['14', '13', '5', 'x', '-1', plan.method === 'get' || plan.method === 'do' ? '0' : '2']),
          'grpc-message',
          'trailers%20only',
        ),
      () => this.#reset(id, stream, pick([0, 1, 2, 3, 5, 8, 11, 12, 99])),
      () => void this.#socket.destroy(),
      () => void this.#socket.end(),
      () => {
        this.#fields(id, 0, HEAD);
        // At least one byte: a stream of nothing that is OK would be whole.
        this.#send(FrameKind.data, 0, id, word.subarray(0, 1 + int(word.length - 1)));
        end('grpc-status', '0');
      },
      () => {
        this.#fields(id, 0, HEAD);
        this.#send(FrameKind.data, FrameKind.endStream, id, word);
        stream.state = 'over';
      },
      () => {
        this.#fields(id, 0, HEAD);
        this.#send(FrameKind.data, 0, id, word);
        end('grpc-status', pick(['13', '14', '2']));
      },
      () => {
        this.#fields(id, 0, HEAD);
        this.#send(FrameKind.data, 0, id, word);
        this.#reset(id, stream, pick([0, 2, 7, 8]));
      },
      () => {
        this.#fields(id, 0, [':status', '503', 'content-type', 'text/html']);
        this.#send(FrameKind.data, FrameKind.endStream, id, Buffer.from('<html>busy</html>'));
        stream.state = 'over';
      },
      () => this.#fields(id, 0, [':status', '100']),
      () => this.#send(FrameKind.data, 0, id, word),
      () => {
        this.#fields(id, 0, HEAD);
        for (let i = 0; i < 10; i++) this.#send(FrameKind.data, 0, id, Buffer.alloc(16_384, 1));
      },
      () => {
        this.#fields(id, 0, HEAD);
        for (let i = 0; i < 10; i++) this.#send(FrameKind.data, 0, id, frameBytes(Buffer.alloc(16_000, 1)));
      },
      () => this.#send(FrameKind.ping, 0, 0, Buffer.alloc(int(2) * 8)),
      // Not GOAWAY: of zeros it would say that nothing has run.
      () =>
        this.#send(pick([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]), int(256), pick([0, id, id + 2]), Buffer.alloc(int(20))),
      () => this.#leave(),
      // Never answers.
      () => undefined,
    ];
    pick(acts)();
  }

  /** A right answer, in pieces of chance. */
  #right(id: number, stream: Stream, plan: Plan): void {
    // What comes after the first message is not read here, so only calls of one message can be answered rightly.
    const one = plan.method === 'get' || plan.method === 'do' || (plan.method !== 'watch' && plan.count === 1);
    const words = plan.method === 'watch' ? plan.count : 1;
    if (!one && plan.method !== 'watch') return this.#reset(id, stream, 2);
    this.#fields(id, 0, HEAD);
    const seq = plan.method === 'put' ? 1 : 0;
    const bytes = Buffer.concat(
      Array.from({ length: words }, (_, i) =>
        frameWord({ id: plan.id, seq: seq + i, pad: 'w'.repeat(50) }, stream.json),
      ),
    );
    for (let at = 0; at < bytes.length;) {
      const length = 1 + this.#chance.int(bytes.length);
      this.#send(FrameKind.data, 0, id, bytes.subarray(at, at + length));
      at += length;
    }
    stream.state = 'over';
    this.#fields(id, FrameKind.endStream, ['grpc-status', '0', 'x-call', String(plan.id)]);
  }
}

function readPlan(message: Uint8Array, json: boolean): Plan | undefined {
  if (message.length === 0) return undefined;
  try {
    return parsePlan(message, json);
  } catch {
    return undefined;
  }
}

function parsePlan(message: Uint8Array, json: boolean): Plan {
  const text = json
    ? (JSON.parse(Buffer.from(message).toString()) as string)
    : fromBinary(StringValueSchema, message).value;
  return JSON.parse(text) as Plan;
}

function frameWord(word: Word, json: boolean): Buffer {
  const value = JSON.stringify(word);
  if (json) return frameBytes(Buffer.from(JSON.stringify(value)));
  return frameBytes(toBinary(StringValueSchema, create(StringValueSchema, { value })));
}

function frameBytes(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([prefix, message]);
}
