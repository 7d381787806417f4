import { takeBack } from './buffers.ts';
import { Flag, FRAME_HEADER_BYTES, frameKind, FrameType, writeFrameHeader } from './frames.ts';
import type { SendWindow } from './flow.ts';
import type { Outbox } from './outbox.ts';
import type { SendingStream } from './sending-stream.ts';
import type { PeerSettings } from './settings.ts';

/** DATA frames stay this small even where the peer allows more, so that streams take turns. */
const MAX_DATA_BYTES = 16_384;
/** A connection's window before any WINDOW_UPDATE (RFC 9113, 6.9.2). */
const START_WINDOW_BYTES = 65_535;

/**
 * What one connection sends in DATA frames (RFC 9113, 6.1 and 6.9): under both windows and the socket's own limit. What
 * cannot leave waits in its stream, and streams that wait take turns frame by frame.
 */
export class Sending {
  readonly window: SendWindow = { available: START_WINDOW_BYTES };
  /** Bytes that wait in all streams together. */
  waitingBytes = 0;
  readonly #outbox: Outbox;
  readonly #settings: PeerSettings;
  /** Streams with waiting bytes, in order of turn. */
  readonly #waiting = new Set<SendingStream>();
  /** Streams whose bytes have left since the last flush. */
  #left: SendingStream[] = [];

  constructor(outbox: Outbox, settings: PeerSettings) {
    this.#outbox = outbox;
    this.#settings = settings;
  }

  write(stream: SendingStream, bytes: Uint8Array): void {
    let sent = 0;
    if (stream.waiting === undefined) {
      while (sent < bytes.length) {
        const count = Math.min(bytes.length - sent, this.#allowance(stream));
        if (count <= 0) break;
        this.#putData(stream, bytes, sent, count);
        sent += count;
      }
    }
    if (sent === bytes.length) return;
    stream.keep(sent === 0 ? bytes : bytes.subarray(sent));
    this.waitingBytes += bytes.length - sent;
    this.resume(stream);
  }

  /** END_STREAM rides on the stream's last frame while that has not left; otherwise an empty DATA frame carries it. */
  endStream(stream: SendingStream): void {
    const outbox = this.#outbox;
    if (stream.frameTurn === outbox.turn) {
      const { bytes } = outbox.bytes;
      bytes[stream.frameAt + 4] = (bytes[stream.frameAt + 4] as number) | Flag.endStream;
      return;
    }
    const out = outbox.bytes;
    const at = out.reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(out.bytes, at, frameKind(FrameType.data, Flag.endStream), stream.id, 0);
    out.length = at + FRAME_HEADER_BYTES;
    outbox.schedule();
  }

  /** Counts bytes that no frame carries as left. */
  skip(stream: SendingStream, count: number): void {
    if (stream.leftBytes === 0) this.#left.push(stream);
    stream.leftBytes += count;
    this.#outbox.schedule();
  }

  /** The stream's bytes may go again, or for the first time. */
  resume(stream: SendingStream): void {
    if (stream.waitingBytes() === 0) return;
    this.#waiting.add(stream);
    this.#outbox.schedule();
  }

  /** Takes over what a stream has gathered before it was one of ours. */
  adopt(stream: SendingStream): void {
    this.waitingBytes += stream.waitingBytes();
    this.resume(stream);
  }

  forget(stream: SendingStream): void {
    if (stream.waiting === undefined) return;
    this.waitingBytes -= stream.waitingBytes();
    this.#waiting.delete(stream);
    takeBack(stream.waiting);
    stream.waiting = undefined;
    stream.waitingAt = 0;
  }

  /** Sends what the windows and this turn allow. Returns true when only this turn's size stood in the way. */
  pump(): boolean {
    if (this.#waiting.size === 0) return false;
    // Who has sent goes to the end of the queue, so that a turn that is full starts the next one with somebody else.
    for (const stream of this.#waiting) {
      if (this.window.available <= 0 || !this.#outbox.hasRoom()) break;
      this.#waiting.delete(stream);
      const count = Math.min(stream.waitingBytes(), this.#allowance(stream));
      // Without a window it is back by resume(): it must not be looked at in every turn until then.
      if (count > 0) this.#sendWaiting(stream, count);
    }
    return this.#waiting.size > 0 && this.window.available > 0;
  }

  /** Tells writers about the room that leaving bytes made. */
  grant(): void {
    if (this.#left.length === 0) return;
    const left = this.#left;
    this.#left = [];
    for (const stream of left) {
      const bytes = stream.leftBytes;
      stream.leftBytes = 0;
      if (stream.state !== 'closed') stream.onLeft(bytes);
    }
  }

  #allowance(stream: SendingStream): number {
    if (!this.#outbox.hasRoom()) return 0;
    return Math.min(stream.send.available, this.window.available, this.#settings.maxFrameBytes, MAX_DATA_BYTES);
  }

  #sendWaiting(stream: SendingStream, count: number): void {
    const waiting = stream.waiting;
    if (waiting === undefined) return;
    this.#putData(stream, waiting.bytes, stream.waitingAt, count);
    stream.waitingAt += count;
    this.waitingBytes -= count;
    if (stream.waitingBytes() > 0) {
      this.#waiting.add(stream);
      return;
    }
    this.forget(stream);
    stream.onCaughtUp();
  }

  #putData(stream: SendingStream, bytes: Uint8Array, from: number, count: number): void {
    const outbox = this.#outbox;
    const out = outbox.bytes;
    stream.send.available -= count;
    this.window.available -= count;
    if (stream.leftBytes === 0) this.#left.push(stream);
    stream.leftBytes += count;
    const at = out.reserve(FRAME_HEADER_BYTES + count);
    const grown = this.#growLastFrame(stream, at, count);
    if (!grown) {
      writeFrameHeader(out.bytes, at, frameKind(FrameType.data, 0), stream.id, count);
      stream.frameAt = at;
      stream.frameTurn = outbox.turn;
      outbox.callFrames += 1;
    }
    const to = grown ? at : at + FRAME_HEADER_BYTES;
    copyBytes(bytes, from, out.bytes, to, count);
    out.length = to + count;
    outbox.schedule();
  }

  /** A gRPC message comes as a prefix and a body; when its last frame is the newest one, it grows instead of a second. */
  #growLastFrame(stream: SendingStream, end: number, count: number): boolean {
    const { bytes } = this.#outbox.bytes;
    const at = stream.frameAt;
    if (stream.frameTurn !== this.#outbox.turn || bytes[at + 3] !== FrameType.data) return false;
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (at + FRAME_HEADER_BYTES + length !== end || length + count > MAX_DATA_BYTES) return false;
    writeFrameHeader(bytes, at, frameKind(FrameType.data, 0), stream.id, length + count);
    return true;
  }
}

/** A loop beats a native call for the short messages that most calls are. */
function copyBytes(from: Uint8Array, start: number, to: Uint8Array, at: number, count: number): void {
  if (count > 48) {
    to.set(start === 0 && count === from.length ? from : from.subarray(start, start + count), at);
    return;
  }
  for (let i = 0; i < count; i++) to[at + i] = from[start + i] as number;
}
