/** Bytes before each message: flags and length. Source: grpc PROTOCOL-HTTP2, Length-Prefixed-Message. */
export const PREFIX_BYTES = 5;
/** The message is compressed. */
export const FLAG_COMPRESSED = 0x01;

/** What is wrong with a stream of messages. */
export type FrameFault = 'too-large' | 'bad-flags' | 'not-compressible';

/**
 * Follows the boundaries of length-prefixed messages in bytes that pass through, cut anywhere. Holds no bytes, so a
 * message is judged by its prefix before its first byte is read.
 */
export class FrameScanner {
  /** Messages begun so far. */
  messages = 0;
  private readonly maxBytes: number;
  private readonly badFlags: number;
  private prefixRead = 0;
  private flags = 0;
  private length = 0;
  private left = 0;

  /** `compressible` is false when no encoding was declared, so that a compressed message cannot be read. */
  constructor(maxBytes: number, compressible: boolean) {
    this.maxBytes = maxBytes;
    this.badFlags = compressible ? 0xff & ~FLAG_COMPRESSED : 0xff;
  }

  /** True between messages: where a body may end. */
  isAtBoundary(): boolean {
    return this.prefixRead === 0 && this.left === 0;
  }

  /** Follows more bytes; a fault is final. */
  scan(bytes: Uint8Array): FrameFault | undefined {
    const end = bytes.length;
    let at = 0;
    while (at < end) {
      if (this.left > 0) {
        const taken = Math.min(this.left, end - at);
        this.left -= taken;
        at += taken;
        continue;
      }
      const fault = this.readPrefixByte(bytes[at++] as number);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  private readPrefixByte(byte: number): FrameFault | undefined {
    if (this.prefixRead === 0) {
      if ((byte & this.badFlags) !== 0) return byte === FLAG_COMPRESSED ? 'not-compressible' : 'bad-flags';
      this.flags = byte;
      this.length = 0;
    } else {
      // Not shifted: 0xFFFFFFFF must not turn negative and pass the limit.
      this.length = this.length * 256 + byte;
    }
    if (++this.prefixRead < PREFIX_BYTES) return undefined;
    this.prefixRead = 0;
    this.messages++;
    if (this.length > this.maxBytes) return 'too-large';
    this.left = this.length;
    return undefined;
  }

  /** Whether the message begun last is compressed. */
  isCompressed(): boolean {
    return (this.flags & FLAG_COMPRESSED) !== 0;
  }
}

/** The prefix of a message. */
export function encodePrefix(flags: number, length: number): Uint8Array {
  return Uint8Array.of(flags, length >>> 24, length >>> 16, length >>> 8, length);
}

/** A message with its prefix. */
export function encodeFrame(flags: number, message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(PREFIX_BYTES + message.length);
  frame.set(encodePrefix(flags, message.length));
  frame.set(message, PREFIX_BYTES);
  return frame;
}
