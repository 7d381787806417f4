import { Flag, FRAME_HEADER_BYTES, frameKind, FrameType, writeFrameHeader } from './frames.ts';
import type { Outbox } from './outbox.ts';
import { splitHeaders } from './split-headers.ts';

/** Leaves room for a frame header, behind which a header block is encoded; returns where it stands. */
export function beginHeaders(outbox: Outbox): number {
  const out = outbox.bytes;
  const at = out.reserve(FRAME_HEADER_BYTES);
  out.length = at + FRAME_HEADER_BYTES;
  return at;
}

/** As much of a stream as its header blocks touch. */
export interface HeadStream {
  readonly id: number;
  frameAt: number;
  frameTurn: number;
}

/**
 * Makes HEADERS, and CONTINUATION where it must, of the block behind the room at `at` (RFC 9113, 6.2 and 6.10). Flags
 * beside END_HEADERS are those of HEADERS.
 */
export function endHeaders(outbox: Outbox, at: number, stream: HeadStream, maxFrameBytes: number, flags = 0): void {
  const out = outbox.bytes;
  const length = out.length - at - FRAME_HEADER_BYTES;
  if (length <= maxFrameBytes) {
    writeFrameHeader(out.bytes, at, frameKind(FrameType.headers, Flag.endHeaders | flags), stream.id, length);
  } else {
    splitHeaders(out, at, stream.id, maxFrameBytes);
    out.bytes[at + 4] = (out.bytes[at + 4] as number) | flags;
  }
  stream.frameAt = at;
  stream.frameTurn = outbox.turn;
  outbox.callFrames += 1;
  outbox.schedule();
}
