import { KeptBytes } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { tooLarge } from '../codec/message-codec.ts';
import { copyBytes } from './byte-slab.ts';

/** Bytes before each message: flags and length. Source: grpc PROTOCOL-HTTP2, Length-Prefixed-Message. */
export const PREFIX_BYTES = 5;
export const FLAG_COMPRESSED = 0x01;

/** Takes whole messages. Their bytes are its own. */
export interface FrameSink {
  frame(flags: number, message: Uint8Array): void;
  broken(error: ConnectError): void;
}

const NO_BYTES = new Uint8Array(0);

/** Cuts length-prefixed messages out of bytes that come cut anywhere. */
export class FrameReader {
  private readonly sink: FrameSink;
  private readonly maxBytes: number;
  private prefixRead = 0;
  private flags = 0;
  private length = 0;
  private isBroken = false;
  /** What came of a message that is not whole yet. */
  private kept: KeptBytes | undefined;

  constructor(sink: FrameSink, maxBytes: number) {
    this.sink = sink;
    this.maxBytes = maxBytes;
  }

  /** True between messages: where a body may end. */
  isAtBoundary(): boolean {
    return this.prefixRead === 0;
  }

  /** Reads more bytes, which are only lent. A fault is final: what comes after `sink.broken` is dropped. */
  read(bytes: Uint8Array): void {
    if (this.isBroken) return;
    let at = 0;
    while (at < bytes.length || (this.prefixRead === PREFIX_BYTES && this.length === 0)) {
      if (this.prefixRead < PREFIX_BYTES) {
        at = this.readPrefix(bytes, at);
        if (at < 0) return;
        continue;
      }
      const missing = this.length - (this.kept?.size ?? 0);
      const taken = Math.min(missing, bytes.length - at);
      if (taken === missing) this.finish(bytes, at);
      else (this.kept ??= new KeptBytes()).append(bytes.subarray(at, at + taken));
      at += taken;
    }
  }

  /** Where the prefix ends, or -1 when it is wrong. */
  private readPrefix(bytes: Uint8Array, from: number): number {
    let at = from;
    while (this.prefixRead < PREFIX_BYTES && at < bytes.length) {
      const byte = bytes[at++] as number;
      if (this.prefixRead === 0) {
        this.flags = byte;
        this.length = 0;
      } else {
        // Not shifted: 0xFFFFFFFF must not turn negative and pass the limit.
        this.length = this.length * 256 + byte;
      }
      this.prefixRead += 1;
    }
    const fault = this.prefixRead < PREFIX_BYTES ? undefined : this.fault();
    if (fault === undefined) return at;
    this.isBroken = true;
    this.sink.broken(fault);
    return -1;
  }

  private fault(): ConnectError | undefined {
    if (this.length > this.maxBytes) return tooLarge(this.length, this.maxBytes);
    if ((this.flags & ~FLAG_COMPRESSED) === 0) return undefined;
    return new ConnectError('protocol error: bytes that are no message prefix', Code.Internal);
  }

  private finish(bytes: Uint8Array, at: number): void {
    const { kept, length } = this;
    this.kept = undefined;
    this.prefixRead = 0;
    if (length === 0) {
      this.sink.frame(this.flags, NO_BYTES);
    } else if (kept === undefined) {
      this.sink.frame(this.flags, copyBytes(bytes, at, length));
    } else {
      const message = new Uint8Array(length);
      let filled = 0;
      for (const piece of kept.takeAll()) {
        message.set(piece, filled);
        filled += piece.length;
      }
      message.set(bytes.subarray(at, at + length - filled), filled);
      this.sink.frame(this.flags, message);
    }
  }
}
