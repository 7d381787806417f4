import { ByteBuffer } from './byte-buffer.ts';
import { ConnectionFault, ErrorCode } from './errors.ts';
import { Flag, FrameType, MAX_31_BITS, readUint32, type Frame } from './frames.ts';

/** What a role does with frames that are sound by themselves. */
export interface FrameHandler {
  /** A whole header block, after CONTINUATION frames are put together. */
  onHeaders(streamId: number, endStream: boolean, bytes: Buffer, start: number, end: number): void;
  /** The frame's range is the data without padding; `flowBytes` is what counts for flow control. */
  onData(frame: Frame, flowBytes: number): void;
  /** PRIORITY, which is deprecated; a stream that depends on itself is an error all the same. */
  onPriority(streamId: number, dependsOn: number): void;
  onReset(streamId: number, code: number): void;
  onSettings(frame: Frame): void;
  onPing(frame: Frame): void;
  onGoaway(lastStreamId: number, code: number): void;
  /** `increment` may be 0, which is a stream error. */
  onWindowUpdate(streamId: number, increment: number): void;
}

/** What the next frame must be. */
type Expect = 'settings' | 'any' | 'continuation';

export interface RouterOptions {
  /** CONTINUATION frames after one HEADERS. */
  readonly maxContinuations: number;
  /** Coded bytes of one header block. */
  readonly maxBlockBytes: number;
}

/** The rules of RFC 9113 that hold for a frame by itself and for the order of frames, in either role. */
export class FrameRouter {
  readonly #handler: FrameHandler;
  readonly #options: RouterOptions;
  #expect: Expect = 'settings';
  #blockStreamId = 0;
  #blockEndsStream = false;
  #block: ByteBuffer | undefined;
  #continuations = 0;

  /** Whether the last HEADERS came with a priority that names its own stream (RFC 7540, 5.3.1). */
  dependsOnItself = false;

  constructor(handler: FrameHandler, options: RouterOptions) {
    this.#handler = handler;
    this.#options = options;
  }

  /** Whether a header block has begun and not ended. */
  get isInBlock(): boolean {
    return this.#expect === 'continuation';
  }

  route(frame: Frame): void {
    if (this.#expect !== 'any') this.#checkExpected(frame);
    switch (frame.type) {
      case FrameType.data:
        return this.#data(frame);
      case FrameType.headers:
        return this.#headers(frame);
      case FrameType.priority:
        checkPriority(frame);
        return this.#handler.onPriority(frame.streamId, readUint32(frame.bytes, frame.start) & MAX_31_BITS);
      case FrameType.rstStream:
        checkStream(frame, 'RST_STREAM');
        checkLength(frame, 4, 'RST_STREAM');
        return this.#handler.onReset(frame.streamId, readUint32(frame.bytes, frame.start));
      case FrameType.settings:
        return this.#settings(frame);
      case FrameType.pushPromise:
        throw new ConnectionFault(ErrorCode.protocolError, 'PUSH_PROMISE although push is off');
      case FrameType.ping:
        checkConnection(frame, 'PING');
        checkLength(frame, 8, 'PING');
        return this.#handler.onPing(frame);
      case FrameType.goaway:
        return this.#goaway(frame);
      case FrameType.windowUpdate:
        checkLength(frame, 4, 'WINDOW_UPDATE');
        return this.#handler.onWindowUpdate(frame.streamId, readUint32(frame.bytes, frame.start) & MAX_31_BITS);
      case FrameType.continuation:
        return this.#continuation(frame);
      default:
      // Frames of unknown types are ignored (RFC 9113, 5.5).
    }
  }

  #checkExpected(frame: Frame): void {
    if (this.#expect === 'settings') {
      if (frame.type !== FrameType.settings || (frame.flags & Flag.ack) !== 0) {
        throw new ConnectionFault(
          ErrorCode.protocolError,
          'the first frame is not SETTINGS; does the peer speak HTTP/2?',
        );
      }
      this.#expect = 'any';
    } else if (frame.type !== FrameType.continuation || frame.streamId !== this.#blockStreamId) {
      throw new ConnectionFault(ErrorCode.protocolError, 'a header block is interrupted by another frame');
    }
  }

  #data(frame: Frame): void {
    checkStream(frame, 'DATA');
    const flowBytes = frame.end - frame.start;
    stripPadding(frame);
    this.#handler.onData(frame, flowBytes);
  }

  #headers(frame: Frame): void {
    checkStream(frame, 'HEADERS');
    stripPadding(frame);
    this.dependsOnItself = false;
    if ((frame.flags & Flag.priority) !== 0) {
      frame.start += 5;
      if (frame.start > frame.end) throw new ConnectionFault(ErrorCode.frameSizeError, 'HEADERS without its priority');
      this.dependsOnItself = (readUint32(frame.bytes, frame.start - 5) & MAX_31_BITS) === frame.streamId;
    }
    const endStream = (frame.flags & Flag.endStream) !== 0;
    if ((frame.flags & Flag.endHeaders) !== 0) {
      this.#handler.onHeaders(frame.streamId, endStream, frame.bytes, frame.start, frame.end);
      return;
    }
    this.#expect = 'continuation';
    this.#blockStreamId = frame.streamId;
    this.#blockEndsStream = endStream;
    this.#continuations = 0;
    this.#block = new ByteBuffer(frame.end - frame.start);
    this.#block.append(frame.bytes.subarray(frame.start, frame.end));
  }

  #continuation(frame: Frame): void {
    const block = this.#block;
    if (block === undefined) throw new ConnectionFault(ErrorCode.protocolError, 'CONTINUATION without HEADERS');
    this.#continuations += 1;
    const { maxContinuations, maxBlockBytes } = this.#options;
    if (this.#continuations > maxContinuations) {
      const message = `more than ${maxContinuations} CONTINUATION frames`;
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, message, 'continuation-flood');
    }
    if (block.length + frame.end - frame.start > maxBlockBytes) {
      const message = `a header block of more than ${maxBlockBytes} bytes`;
      throw new ConnectionFault(ErrorCode.enhanceYourCalm, message, 'header-list-size');
    }
    block.append(frame.bytes.subarray(frame.start, frame.end));
    if ((frame.flags & Flag.endHeaders) === 0) return;
    this.#expect = 'any';
    this.#block = undefined;
    this.#handler.onHeaders(this.#blockStreamId, this.#blockEndsStream, block.bytes, 0, block.length);
  }

  #settings(frame: Frame): void {
    checkConnection(frame, 'SETTINGS');
    if ((frame.flags & Flag.ack) !== 0) checkLength(frame, 0, 'a SETTINGS acknowledgement');
    this.#handler.onSettings(frame);
  }

  #goaway(frame: Frame): void {
    checkConnection(frame, 'GOAWAY');
    if (frame.end - frame.start < 8) throw new ConnectionFault(ErrorCode.frameSizeError, 'GOAWAY is too short');
    const { bytes, start } = frame;
    this.#handler.onGoaway(readUint32(bytes, start) & MAX_31_BITS, readUint32(bytes, start + 4));
  }
}

/** PRIORITY is deprecated and ignored, but its shape is still checked (RFC 9113, 6.3). */
function checkPriority(frame: Frame): void {
  checkStream(frame, 'PRIORITY');
  checkLength(frame, 5, 'PRIORITY');
}

function checkStream(frame: Frame, name: string): void {
  if (frame.streamId === 0) throw new ConnectionFault(ErrorCode.protocolError, `${name} on stream 0`);
}

function checkConnection(frame: Frame, name: string): void {
  if (frame.streamId !== 0) throw new ConnectionFault(ErrorCode.protocolError, `${name} on a stream`);
}

function checkLength(frame: Frame, length: number, name: string): void {
  if (frame.end - frame.start !== length) {
    throw new ConnectionFault(ErrorCode.frameSizeError, `${name} of ${frame.end - frame.start} bytes`);
  }
}

/** Narrows the range to what is not padding. Padding as long as the payload is an error (RFC 9113, 6.1). */
function stripPadding(frame: Frame): void {
  if ((frame.flags & Flag.padded) === 0) return;
  if (frame.end === frame.start) throw new ConnectionFault(ErrorCode.frameSizeError, 'a padded frame without a length');
  const padding = frame.bytes[frame.start] as number;
  frame.start += 1;
  if (padding > frame.end - frame.start)
    throw new ConnectionFault(ErrorCode.protocolError, 'more padding than payload');
  frame.end -= padding;
}
