import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';

type Run = (bytes: Uint8Array, options: { maxOutputLength?: number }) => Promise<Buffer>;

/** gzip, as in RFC 1952. */
export const compressionGzip = createCompression(
  'gzip',
  promisify<Uint8Array, object, Buffer>(zlib.gzip),
  promisify<Uint8Array, object, Buffer>(zlib.gunzip),
);

/** Brotli, as in RFC 7932. */
export const compressionBrotli = createCompression(
  'br',
  promisify<Uint8Array, object, Buffer>(zlib.brotliCompress),
  promisify<Uint8Array, object, Buffer>(zlib.brotliDecompress),
);

/** Zstandard, as in RFC 8878. */
export const compressionZstd = createCompression(
  'zstd',
  promisify<Uint8Array, object, Buffer>(zlib.zstdCompress),
  promisify<Uint8Array, object, Buffer>(zlib.zstdDecompress),
);

/** In the thread pool, so that neither a large message nor one that swells keeps other calls waiting. */
function createCompression(name: string, compress: Run, decompress: Run): Compression {
  return {
    name,
    compress: async (bytes) => toPlain(await compress(bytes, {})),
    async decompress(bytes, readMaxBytes) {
      // No encoder makes nothing of nothing, yet peers send it for an empty message.
      if (bytes.length === 0) return new Uint8Array(0);
      try {
        // zlib refuses a limit of 0, and one byte over is over all the same.
        return toPlain(await decompress(bytes, { maxOutputLength: Math.max(1, readMaxBytes) }));
      } catch (cause) {
        throw failureOf(name, cause, readMaxBytes);
      }
    },
  };
}

/** Not a Buffer: a message that holds bytes must not give Buffers to its reader. */
function toPlain(bytes: Buffer): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
}

function failureOf(name: string, cause: unknown, readMaxBytes: number): ConnectError {
  const tooLarge = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
  return tooLarge
    ? new ConnectError(`a message is larger than ${readMaxBytes} bytes when decompressed`, Code.ResourceExhausted)
    : new ConnectError(`a message cannot be decompressed as ${name}`, Code.Internal, undefined, undefined, cause);
}
