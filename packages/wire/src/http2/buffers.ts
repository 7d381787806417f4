import { ByteBuffer } from './byte-buffer.ts';

/** Capacity of a lent buffer to start with; a turn of unary calls fits. */
const START_BYTES = 16_384;
/** All buffers that are kept for the next turn, together. */
const MAX_KEPT_BYTES = 4 * 1024 * 1024;

const kept: ByteBuffer[] = [];
let keptBytes = 0;

/** An empty buffer of this thread. */
export function lendBuffer(): ByteBuffer {
  const buffer = kept.pop();
  if (buffer === undefined) return new ByteBuffer(START_BYTES);
  keptBytes -= buffer.bytes.length;
  return buffer;
}

/** Takes a buffer back that nobody reads any more, and others as large. */
export function takeBack(buffer: ByteBuffer | undefined): void {
  if (buffer === undefined || buffer.bytes.length < START_BYTES) return;
  if (keptBytes + buffer.bytes.length > MAX_KEPT_BYTES) return;
  buffer.length = 0;
  keptBytes += buffer.bytes.length;
  kept.push(buffer);
}
