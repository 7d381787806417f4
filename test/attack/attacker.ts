import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { pause } from '../e2e/rig/eventually.ts';
import { encodeFields, encodeFrame, FrameKind } from '../chaos/frames.ts';

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
export const SETTINGS = encodeFrame(FrameKind.settings, 0, 0);

/** Types that good clients rarely send. */
export const RareFrame = { priority: 2, continuation: 9 } as const;

/** Fields of a call of `method`. */
export function callFields(method: string): Buffer {
  return encodeFields([
    ':method',
    'POST',
    ':scheme',
    'http',
    ':path',
    `/e2e.v1.EchoService/${method}`,
    ':authority',
    'a',
    'content-type',
    'application/grpc',
    'te',
    'trailers',
  ]);
}

/** A HEADERS frame that opens a call. */
export function openCall(id: number, method = 'Say', flags: number = FrameKind.endHeaders): Buffer {
  return encodeFrame(FrameKind.headers, flags, id, callFields(method));
}

/** A message of StringValue as gRPC frames it. */
export function message(text: string): Buffer {
  const body = Buffer.concat([Buffer.of(0x0a, text.length), Buffer.from(text)]);
  return Buffer.concat([Buffer.of(0, 0, 0, 0, body.length), body]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

/** A connection that says what it likes. */
export interface Attacker extends Disposable {
  readonly socket: Socket;
  /** Bytes read so far. */
  readonly received: () => number;
  /** Codes of GOAWAY and types of frames seen. */
  readonly seen: () => { readonly goaway: number[]; readonly resets: number };
  /** Sends; resolves when the kernel has taken it, or the connection has ended. */
  send(bytes: Uint8Array): Promise<void>;
  /** True once the other side has closed. */
  readonly isClosed: () => boolean;
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>;
}

/** `reads: false` never takes what the other side sends. */
export async function attack(port: number, { reads = true } = {}): Promise<Attacker> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let closedNow = false;
  const closed = new Promise<void>((resolve) => {
    const end = (): void => {
      closedNow = true;
      resolve();
    };
    socket.once('end', end);
    socket.once('close', end);
  });
  let pending = Buffer.alloc(0);
  let received = 0;
  const goaway: number[] = [];
  let resets = 0;
  if (reads) {
    socket.on('data', (chunk: Buffer) => {
      received += chunk.length;
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 9) {
        const size = 9 + pending.readUIntBE(0, 3);
        if (pending.length < size) break;
        if (pending[3] === FrameKind.goaway) goaway.push(pending.readUInt32BE(13));
        if (pending[3] === FrameKind.reset) resets++;
        pending = pending.subarray(size);
      }
    });
  } else {
    socket.pause();
  }
  await once(socket, 'connect');
  return {
    socket,
    received: () => received,
    seen: () => ({ goaway, resets }),
    isClosed: () => closedNow,
    closed,
    async send(bytes) {
      if (closedNow || socket.destroyed) return;
      await Promise.race([new Promise((resolve) => void socket.write(bytes, resolve)), closed]);
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Sends `piece(i)` until `count` are sent or the other side has had enough; `perTurn` go together. */
export async function flood(
  attacker: Attacker,
  count: number,
  perTurn: number,
  piece: (i: number) => Uint8Array,
): Promise<number> {
  let sent = 0;
  while (sent < count && !attacker.isClosed()) {
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < perTurn && sent < count; i++) pieces.push(piece(sent++));
    await attacker.send(Buffer.concat(pieces));
    await pause(0);
  }
  return sent;
}
