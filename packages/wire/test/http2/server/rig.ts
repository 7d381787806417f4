import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { onTestFinished } from 'vitest';
import { createVirtualClock, type Service, type VirtualClock } from '@bascule/core';
import { HpackDecoder } from '../../../src/http2/hpack/decoder.ts';
import { listen, type Listener, type ListenOptions } from '../../../src/listener.ts';
import type { AbuseKind } from '../../../src/listener/abuse.ts';
import type { ListenLimits } from '../../../src/listener/limits.ts';
import { frame, uint32 } from '../frame.ts';

export const Kind = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;
export const END_STREAM = 1;
export const END_HEADERS = 4;
export const PADDED = 8;
export const PRIORITY = 0x20;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

/** Literal fields that enter no table, without Huffman. */
export function block(...fields: string[]): Buffer {
  return Buffer.concat(
    fields.flatMap((text, i) => {
      const bytes = Buffer.from(text, 'latin1');
      const { length } = bytes;
      const coded =
        length < 127
          ? Buffer.of(length)
          : length < 255
            ? Buffer.of(127, length - 127)
            : Buffer.of(127, ((length - 127) & 127) | 128, (length - 127) >> 7);
      return [i % 2 === 0 ? Buffer.of(0) : Buffer.alloc(0), coded, bytes];
    }),
  );
}

/** The pseudo-fields of a request, with `extra` fields behind them. */
export function request(path = '/x', ...extra: string[]): Buffer {
  return block(':method', 'POST', ':scheme', 'http', ':path', path, ':authority', 'a', ...extra);
}

/** A request whose body is still to come, or which ends at once. */
export function open(id: number, flags = 0, path = '/x'): Buffer {
  return frame(Kind.headers, END_HEADERS | flags, id, request(path));
}

export function times(count: number, make: (i: number) => Buffer): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));
}

export interface SeenFrame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

/** A client of bytes. */
export interface FrameClient {
  readonly socket: Socket;
  readonly frames: SeenFrame[];
  send(...frames: Uint8Array[]): void;
  /** The first frame that fits, come or still to come; undefined when the server closes without it. */
  seen(fits: (frame: SeenFrame) => boolean): Promise<SeenFrame | undefined>;
  /** Resolves when everything sent so far has been read and its answers have come. Sends a PING. */
  settled(): Promise<void>;
  closed(): Promise<void>;
}

export interface Silence {
  /** Acknowledges neither SETTINGS nor PING. */
  readonly mute?: boolean;
  /** Payload of its SETTINGS. */
  readonly settings?: Uint8Array;
}

/** Connects and says preface and SETTINGS. */
export async function connectFrames(port: number, { mute = false, settings }: Silence = {}): Promise<FrameClient> {
  const socket = connect({ port, host: '127.0.0.1' });
  const frames: SeenFrame[] = [];
  const closing = Promise.withResolvers<void>();
  let held: Buffer = Buffer.alloc(0);
  let wakes: (() => void)[] = [];
  let isClosed = false;
  let pings = 0;
  const wake = (): void => {
    const all = wakes;
    wakes = [];
    for (const each of all) each();
  };
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.on('close', () => {
    isClosed = true;
    closing.resolve();
    wake();
  });
  socket.on('data', (bytes: Buffer) => {
    held = Buffer.concat([held, bytes]);
    while (held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const size = 9 + held.readUIntBE(0, 3);
      const seen = {
        type: held[3] ?? 0,
        flags: held[4] ?? 0,
        id: held.readUInt32BE(5),
        payload: held.subarray(9, size),
      };
      held = held.subarray(size);
      frames.push(seen);
      const asks = (seen.type === Kind.settings || seen.type === Kind.ping) && (seen.flags & 1) === 0;
      if (asks && !mute && socket.writable)
        socket.write(frame(seen.type, 1, 0, seen.type === Kind.ping ? seen.payload : undefined));
    }
    wake();
  });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'connect');
  socket.write(Buffer.concat([PREFACE, frame(Kind.settings, 0, 0, settings)]));
  const client: FrameClient = {
    socket,
    frames,
    send: (...parts) => void socket.write(Buffer.concat(parts)),
    async seen(fits) {
      for (;;) {
        const found = frames.find((each) => fits(each));
        if (found !== undefined || isClosed) return found;
        await new Promise<void>((resolve) => wakes.push(resolve));
      }
    },
    async settled() {
      const opaque = Buffer.concat([Buffer.from('test'), uint32(++pings)]);
      client.send(frame(Kind.ping, 0, 0, opaque));
      await client.seen((each) => each.type === Kind.ping && each.flags === 1 && each.payload.equals(opaque));
    },
    closed: () => closing.promise,
  };
  return client;
}

/** The fields of a HEADERS frame that uses no dynamic table, as ours use none. */
export function decodeBlock(seen: SeenFrame | undefined): string[] | undefined {
  if (seen === undefined) return undefined;
  const decoder = new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 1e6, maxPairs: 1e4 });
  return decoder.decode(seen.payload, 0, seen.payload.length);
}

export function isGoaway(seen: SeenFrame): boolean {
  return seen.type === Kind.goaway;
}

export interface Rig {
  readonly listener: Listener;
  readonly port: number;
  readonly clock: VirtualClock;
  readonly abuses: AbuseKind[];
}

/** A listener on a clock that only the test moves. The test's clients must be gone before it is closed. */
export async function startRig(
  service: Service,
  limits: Partial<ListenLimits> = {},
  options: Partial<ListenOptions> = {},
): Promise<Rig> {
  const clock = createVirtualClock(7);
  const abuses: AbuseKind[] = [];
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock,
    service,
    limits,
    onAbuse: (kind) => void abuses.push(kind),
    ...options,
  });
  onTestFinished(async () => {
    const closed = listener.close(0);
    await new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));
    clock.advance(1);
    await closed;
  });
  return { listener, port: listener.port, clock, abuses };
}

/** A service that holds its calls open and notes what they hear. */
export function createHolding(): { service: Service; words: string[]; calls: Parameters<Service>[] } {
  const words: string[] = [];
  const calls: Parameters<Service>[] = [];
  const service: Service = (head, reply) => {
    calls.push([head, reply]);
    const note = (word: string) => void words.push(`${head.path} ${word}`);
    return {
      write: (bytes) => note(`write ${bytes.length}`),
      end: () => note('end'),
      cancel: (reason) => note(`cancel ${reason}`),
      grant: (bytes) => note(`grant ${bytes}`),
    };
  };
  return { service, words, calls };
}

/** Answers each whole request with `content`. */
export const answering: Service = (_head, reply) => ({
  write: (bytes) => reply.grant(bytes.length),
  end() {
    reply.head({ status: 200, fields: ['content-type', 'text/plain'] });
    reply.write(Buffer.from('content'));
    reply.end([]);
  },
  cancel() {},
  grant() {},
});
