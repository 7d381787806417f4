import type { Fields } from '@bascule/core';
import { encodeFrame } from '../frame-scanner.ts';
import { isStatusField, statusOf } from './error.ts';

/** The frame ends the stream. Source: Connect protocol, EndStreamResponse. */
export const FLAG_END_STREAM = 0x02;

/** Trailers as the last frame of a stream: JSON with the error, if any, and the metadata. */
export function encodeEndStream(trailers: Fields): Uint8Array {
  const metadata = new Map<string, string[]>();
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string;
    if (isStatusField(name)) continue;
    const values = metadata.get(name);
    if (values === undefined) metadata.set(name, [trailers[i + 1] as string]);
    else values.push(trailers[i + 1] as string);
  }
  const { error } = statusOf(trailers);
  const json = JSON.stringify({
    ...(error === undefined ? {} : { error }),
    // From entries: a trailer called __proto__ must stay a name.
    ...(metadata.size === 0 ? {} : { metadata: Object.fromEntries(metadata) }),
  });
  return encodeFrame(FLAG_END_STREAM, Buffer.from(json, 'utf8'));
}
