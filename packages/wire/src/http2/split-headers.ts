import type { ByteBuffer } from './byte-buffer.ts';
import { Flag, FRAME_HEADER_BYTES, frameKind, FrameType, writeFrameHeader } from './frames.ts';

/** Rewrites the header block that starts after an empty frame header at `at` as HEADERS and CONTINUATION frames. */
export function splitHeaders(out: ByteBuffer, at: number, streamId: number, maxFrameBytes: number): void {
  const block = Buffer.from(out.bytes.subarray(at + FRAME_HEADER_BYTES, out.length));
  out.length = at;
  for (let start = 0; start < block.length; start += maxFrameBytes) {
    const piece = block.subarray(start, start + maxFrameBytes);
    const type = start === 0 ? FrameType.headers : FrameType.continuation;
    const flags = start + maxFrameBytes >= block.length ? Flag.endHeaders : 0;
    const place = out.reserve(FRAME_HEADER_BYTES);
    writeFrameHeader(out.bytes, place, frameKind(type, flags), streamId, piece.length);
    out.length = place + FRAME_HEADER_BYTES;
    out.append(piece);
  }
}
