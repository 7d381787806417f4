import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import { getField, type Fields } from '@bascule/core';
import { MAX_STATUS_BYTES } from './upstream-scanner.ts';

/** Whether an encoding stands for bytes that are not as they were. */
export function isEncoded(encoding: string | undefined): encoding is string {
  return encoding !== undefined && encoding !== '' && encoding !== 'identity';
}

const COMMON: ReadonlySet<string> = new Set(['gzip', 'br', 'zstd', 'deflate', 'snappy']);

/** Whether an encoding is one that callees of the field may know. */
export function isCommonEncoding(encoding: string): boolean {
  return COMMON.has(encoding);
}

/** Whether a callee may answer in an encoding: only what the caller announced, or used itself, it can read. */
export function isAccepted(encoding: string, request: Fields): boolean {
  const accepted = getField(request, 'grpc-accept-encoding');
  if (accepted === encoding || getField(request, 'grpc-encoding') === encoding) return true;
  return accepted?.split(',').some((item) => item.trim() === encoding) ?? false;
}

/**
 * Unpacks what says how a call ended; messages stay as they are. Undefined when it does not unpack, or unpacks to more
 * than {@link MAX_STATUS_BYTES}.
 */
export function unpackStatus(bytes: Uint8Array, encoding: string): Uint8Array | undefined {
  const options = { maxOutputLength: MAX_STATUS_BYTES };
  try {
    switch (encoding) {
      case 'gzip':
        return gunzipSync(bytes, options);
      case 'deflate':
        return inflateSync(bytes, options);
      case 'br':
        return brotliDecompressSync(bytes, options);
      case 'zstd':
        return zstdDecompressSync(bytes, options);
      default:
        return undefined;
    }
  } catch {
    return undefined;
  }
}
