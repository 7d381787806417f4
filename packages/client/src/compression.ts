import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';

interface Limit {
  readonly maxOutputLength?: number;
}

interface Codec {
  compress(bytes: Uint8Array): Promise<Buffer>;
  compressSync(bytes: Uint8Array): Buffer;
  decompress(bytes: Uint8Array, limit: Limit): Promise<Buffer>;
  decompressSync(bytes: Uint8Array, limit: Limit): Buffer;
}

/** Up to here the way to the thread pool and back costs more than the work; beyond, the work would hold up other calls. */
const MAX_SYNC_COMPRESS_BYTES = 16_384;
/** Less, since what is small may swell by a thousand. */
const MAX_SYNC_DECOMPRESS_BYTES = 4096;

/** gzip, as in RFC 1952. */
export const compressionGzip = createCompression('gzip', {
  compress: promisify<Uint8Array, Buffer>(zlib.gzip),
  compressSync: (bytes) => zlib.gzipSync(bytes),
  decompress: promisify<Uint8Array, Limit, Buffer>(zlib.gunzip),
  decompressSync: (bytes, limit) => zlib.gunzipSync(bytes, limit),
});

/** zlib's own default of 11 is for files that are compressed once: it takes fifty times as long. */
const BROTLI = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } };
const brotliCompress = promisify<Uint8Array, zlib.BrotliOptions, Buffer>(zlib.brotliCompress);

/** Brotli, as in RFC 7932. */
export const compressionBrotli = createCompression('br', {
  compress: (bytes) => brotliCompress(bytes, BROTLI),
  compressSync: (bytes) => zlib.brotliCompressSync(bytes, BROTLI),
  decompress: promisify<Uint8Array, Limit, Buffer>(zlib.brotliDecompress),
  decompressSync: (bytes, limit) => zlib.brotliDecompressSync(bytes, limit),
});

/** Zstandard, as in RFC 8878. */
export const compressionZstd = createCompression('zstd', {
  compress: promisify<Uint8Array, Buffer>(zlib.zstdCompress),
  compressSync: (bytes) => zlib.zstdCompressSync(bytes),
  decompress: promisify<Uint8Array, Limit, Buffer>(zlib.zstdDecompress),
  decompressSync: (bytes, limit) => zlib.zstdDecompressSync(bytes, limit),
});

function createCompression(name: string, codec: Codec): Compression {
  return {
    name,
    async compress(bytes) {
      const isSmall = bytes.length <= MAX_SYNC_COMPRESS_BYTES;
      return toPlain(isSmall ? codec.compressSync(bytes) : await codec.compress(bytes));
    },
    async decompress(bytes, readMaxBytes) {
      // No encoder makes nothing of nothing, yet peers send it for an empty message.
      if (bytes.length === 0) return new Uint8Array(0);
      const isSmall = bytes.length <= MAX_SYNC_DECOMPRESS_BYTES;
      // zlib refuses a limit of 0, and one byte over is over all the same.
      const limit = { maxOutputLength: Math.max(1, readMaxBytes) };
      try {
        return toPlain(isSmall ? codec.decompressSync(bytes, limit) : await codec.decompress(bytes, limit));
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
