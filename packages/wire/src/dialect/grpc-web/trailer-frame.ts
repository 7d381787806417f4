import type { Fields } from '@bascule/core';
import { FieldsMemory } from '../../fields-memory.ts';
import { PREFIX_BYTES } from '../frame-scanner.ts';

/** The frame holds trailers. Source: grpc PROTOCOL-WEB. */
export const FLAG_TRAILERS = 0x80;

const SLOTS = 64;
/** Most calls end as others do. */
const frames = new FieldsMemory<Uint8Array>(SLOTS);

/**
 * Trailers as the last frame of a body: lower-case names, `name:value` and CRLF each, no blank line. Calls with equal
 * trailers share its bytes.
 */
export function encodeTrailerFrame(trailers: Fields): Uint8Array {
  const known = frames.find(trailers, trailers.length, '');
  if (known !== undefined) return known;
  const frame = encode(trailers);
  if (frames.wants(trailers)) frames.remember(trailers, '', frame);
  return frame;
}

function encode(trailers: Fields): Uint8Array {
  let block = '';
  for (let i = 0; i < trailers.length; i += 2) {
    const value = trailers[i + 1] as string;
    // A line break would let a callee's value pass for another trailer.
    if (!hasLineBreak(value)) block += `${trailers[i]}:${value}\r\n`;
  }
  // Not of a pool, of which a remembered frame would hold a whole block.
  const frame = Buffer.allocUnsafeSlow(PREFIX_BYTES + block.length);
  frame[0] = FLAG_TRAILERS;
  frame.writeUInt32BE(block.length, 1);
  frame.write(block, PREFIX_BYTES, 'latin1');
  return frame;
}

function hasLineBreak(value: string): boolean {
  return value.includes('\n') || value.includes('\r');
}
