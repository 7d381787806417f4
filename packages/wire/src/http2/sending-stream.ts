import { lendBuffer } from './buffers.ts';
import { ByteBuffer } from './byte-buffer.ts';
import { createReceiveWindow, type ReceiveWindow, type SendWindow } from './flow.ts';
import type { StreamState } from './stream.ts';

/** Capacity of what waits, to start with: a stream that trickles to a slow reader must stay small. */
const START_BYTES = 1024;
/** From here on it is worth a lent buffer. */
const LENT_BYTES = 8192;

/** What both roles know of one stream: its windows, and its bytes that wait for a window or for the socket. */
export abstract class SendingStream {
  id = 0;
  state: StreamState = 'idle';
  readonly send: SendWindow;
  readonly receive: ReceiveWindow;
  /** Bytes that cannot leave yet, from `waitingAt` on. */
  waiting: ByteBuffer | undefined;
  waitingAt = 0;
  /** Bytes framed since the writer was last told of room. */
  leftBytes = 0;
  /** Where the last HEADERS or DATA of this stream stands in the outbox, as long as `frameTurn` lasts. */
  frameAt = 0;
  frameTurn = 0;

  constructor(sendWindowBytes: number, receiveWindowBytes: number) {
    this.send = { available: sendWindowBytes };
    this.receive = createReceiveWindow(receiveWindowBytes);
  }

  /** `bytes` that were written have left: the writer may write as many again. */
  abstract onLeft(bytes: number): void;

  /** The last byte that waited has been framed. */
  abstract onCaughtUp(): void;

  /** Keeps a copy of bytes that cannot leave yet; bounded by credit. */
  keep(bytes: Uint8Array): void {
    this.waiting ??= bytes.length < LENT_BYTES ? new ByteBuffer(Math.max(START_BYTES, bytes.length)) : lendBuffer();
    // What has left must not be kept as long as something waits, or a long answer to a slow reader stays in memory whole.
    if (this.waitingAt * 2 > this.waiting.length) {
      this.waiting.dropFront(this.waitingAt);
      this.waitingAt = 0;
    }
    this.waiting.append(bytes);
  }

  waitingBytes(): number {
    return this.waiting === undefined ? 0 : this.waiting.length - this.waitingAt;
  }
}
