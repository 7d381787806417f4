import type { ClientCall } from './call.ts';
import type { SendWindow } from '../flow.ts';
import { Flag, FRAME_HEADER_BYTES, frameKind, FrameType, writeFrameHeader } from '../frames.ts';
import type { Outbox } from '../outbox.ts';
import type { PeerSettings } from '../settings.ts';
import { transition } from '../stream.ts';

/** DATA frames stay this small even where the peer allows more, so that streams take turns. */
const MAX_DATA_BYTES = 16_384;

/**
 * The request bodies of one connection: DATA under both windows and the socket's own limit, what cannot leave waits in
 * its call, and streams that wait take turns frame by frame.
 */
export class Upload {
  readonly window: SendWindow = { available: 65_535 };
  readonly #outbox: Outbox;
  readonly #settings: PeerSettings;
  /** Calls with waiting bytes, in order of turn. */
  readonly #waiting = new Set<ClientCall>();
  /** Calls whose bytes have left since the last flush. */
  #left: ClientCall[] = [];

  constructor(outbox: Outbox, settings: PeerSettings) {
    this.#outbox = outbox;
    this.#settings = settings;
  }

  write(call: ClientCall, bytes: Uint8Array): void {
    let sent = 0;
    if (call.waiting === undefined) {
      while (sent < bytes.length) {
        const count = Math.min(bytes.length - sent, this.#allowance(call));
        if (count <= 0) break;
        this.#putData(call, bytes, sent, count);
        sent += count;
      }
    }
    if (sent === bytes.length) return;
    call.keep(sent === 0 ? bytes : bytes.subarray(sent));
    this.resume(call);
  }

  end(call: ClientCall): void {
    if (call.waitingBytes() === 0) this.#endStream(call);
  }

  /** The call's bytes may go again, or for the first time. */
  resume(call: ClientCall): void {
    if (call.waitingBytes() === 0) return;
    this.#waiting.add(call);
    this.#outbox.schedule();
  }

  forget(call: ClientCall): void {
    this.#waiting.delete(call);
    call.waiting = undefined;
  }

  /** Sends what the windows and this turn allow. Returns true when only this turn's size stood in the way. */
  pump(): boolean {
    for (let moved = true; moved && this.#waiting.size > 0;) {
      moved = false;
      for (const call of this.#waiting) {
        const count = Math.min(call.waitingBytes(), this.#allowance(call));
        if (count > 0) {
          this.#sendWaiting(call, count);
          moved = true;
        } else if (call.send.available <= 0) {
          // Back by resume() when its window opens; it must not be looked at in every turn until then.
          this.#waiting.delete(call);
        }
      }
    }
    return this.#waiting.size > 0 && this.window.available > 0;
  }

  /** Tells callers about the room that leaving bytes made. */
  grant(): void {
    if (this.#left.length === 0) return;
    const left = this.#left;
    this.#left = [];
    for (const call of left) {
      const bytes = call.leftBytes;
      call.leftBytes = 0;
      if (call.state === 'closed' || call.upload !== 'open') continue;
      call.creditBytes += bytes;
      call.reply.grant(bytes);
    }
  }

  #allowance(call: ClientCall): number {
    if (!this.#outbox.hasRoom()) return 0;
    return Math.min(call.send.available, this.window.available, this.#settings.maxFrameBytes, MAX_DATA_BYTES);
  }

  #sendWaiting(call: ClientCall, count: number): void {
    const waiting = call.waiting;
    if (waiting === undefined) return;
    this.#putData(call, waiting.bytes, call.waitingAt, count);
    call.waitingAt += count;
    if (call.waitingBytes() > 0) return;
    this.forget(call);
    call.waitingAt = 0;
    if (call.upload === 'ending') this.#endStream(call);
  }

  #putData(call: ClientCall, bytes: Uint8Array, from: number, count: number): void {
    const outbox = this.#outbox;
    const out = outbox.bytes;
    call.send.available -= count;
    this.window.available -= count;
    if (call.leftBytes === 0) this.#left.push(call);
    call.leftBytes += count;
    const at = out.reserve(FRAME_HEADER_BYTES + count);
    const grown = this.#growLastFrame(call, at, count);
    if (!grown) {
      writeFrameHeader(out.bytes, at, frameKind(FrameType.data, 0), call.id, count);
      call.frameAt = at;
      call.frameTurn = outbox.turn;
      outbox.callFrames += 1;
    }
    const to = grown ? at : at + FRAME_HEADER_BYTES;
    copyBytes(bytes, from, out.bytes, to, count);
    out.length = to + count;
    outbox.schedule();
  }

  /** A gRPC message comes as a prefix and a body; when its last frame is the newest one, it grows instead of a second. */
  #growLastFrame(call: ClientCall, end: number, count: number): boolean {
    const { bytes } = this.#outbox.bytes;
    const at = call.frameAt;
    if (call.frameTurn !== this.#outbox.turn || bytes[at + 3] !== FrameType.data) return false;
    const length = ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
    if (at + FRAME_HEADER_BYTES + length !== end || length + count > MAX_DATA_BYTES) return false;
    writeFrameHeader(bytes, at, frameKind(FrameType.data, 0), call.id, length + count);
    return true;
  }

  /** END_STREAM rides on the last frame while that has not left; otherwise an empty DATA frame carries it. */
  #endStream(call: ClientCall): void {
    const outbox = this.#outbox;
    call.upload = 'ended';
    call.state = transition(call.state, 'send-end') ?? 'closed';
    if (call.frameTurn === outbox.turn) {
      const { bytes } = outbox.bytes;
      bytes[call.frameAt + 4] = (bytes[call.frameAt + 4] as number) | Flag.endStream;
      return;
    }
    const out = outbox.bytes;
    const at = out.reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(out.bytes, at, frameKind(FrameType.data, Flag.endStream), call.id, 0);
    out.length = at + FRAME_HEADER_BYTES;
    outbox.schedule();
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
