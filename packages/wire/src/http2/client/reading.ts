import { FrameRouter, type FrameHandler } from '../frame-router.ts';
import { HpackDecoder } from '../hpack/decoder.ts';
import type { Http2Limits } from '../limits.ts';

export function createDecoder(limits: Http2Limits): HpackDecoder {
  return new HpackDecoder({
    maxTableBytes: limits.headerTableBytes,
    maxListBytes: limits.maxHeaderListBytes,
    maxPairs: limits.maxHeaderPairs,
  });
}

/** Blocks may be larger than what they decode to, as padding and indexing make them, but not by much. */
export function createRouter(handler: FrameHandler, limits: Http2Limits): FrameRouter {
  return new FrameRouter(handler, {
    maxContinuations: limits.maxContinuations,
    maxBlockBytes: 4 * limits.maxHeaderListBytes,
  });
}
