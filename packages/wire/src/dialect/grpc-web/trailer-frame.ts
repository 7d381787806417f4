import type { Fields } from '@bascule/core';
import { PREFIX_BYTES } from '../frame-scanner.ts';

/** The frame holds trailers. Source: grpc PROTOCOL-WEB. */
export const FLAG_TRAILERS = 0x80;

/** Trailers as the last frame of a body: lower-case names, `name:value` and CRLF each, no blank line. */
export function encodeTrailerFrame(trailers: Fields): Uint8Array {
  let block = '';
  for (let i = 0; i < trailers.length; i += 2) {
    const value = trailers[i + 1] as string;
    // A line break would let a callee's value pass for another trailer.
    if (!hasLineBreak(value)) block += `${trailers[i]}:${value}\r\n`;
  }
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + block.length);
  frame[0] = FLAG_TRAILERS;
  frame.writeUInt32BE(block.length, 1);
  frame.write(block, PREFIX_BYTES, 'latin1');
  return frame;
}

function hasLineBreak(value: string): boolean {
  return value.includes('\n') || value.includes('\r');
}
