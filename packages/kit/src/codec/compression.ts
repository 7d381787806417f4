import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';

type Coder = (bytes: Uint8Array, options: zlib.ZlibOptions & zlib.BrotliOptions & zlib.ZstdOptions) => Promise<Buffer>;

/** A level made for answers on the way: brotli's own default takes a second for a megabyte. */
const brotli: Coder = (bytes) =>
  promisify(zlib.brotliCompress)(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } });

/**
 * Runs in the thread pool: a message of a hundred bytes may become megabytes. Never holds more than `readMaxBytes` of
 * the result.
 */
function createCompression(name: string, compress: Coder, decompress: Coder): Compression {
  return {
    name,
    compress: (bytes) => compress(bytes, {}) as Promise<Buffer<ArrayBuffer>>,
    decompress(bytes, readMaxBytes) {
      if (bytes.length === 0) return Promise.resolve(new Uint8Array(0));
      return decompress(bytes, { maxOutputLength: readMaxBytes }).catch((error: NodeJS.ErrnoException) => {
        throw toConnectError(error, readMaxBytes);
      }) as Promise<Buffer<ArrayBuffer>>;
    },
  };
}

function toConnectError(error: NodeJS.ErrnoException, readMaxBytes: number): ConnectError {
  if (error.code !== 'ERR_BUFFER_TOO_LARGE') {
    // Whatever zlib says, the bytes are the caller's.
    return new ConnectError('decompression failed', Code.InvalidArgument, undefined, undefined, error);
  }
  const message = `message is larger than configured readMaxBytes ${readMaxBytes} after decompression`;
  return new ConnectError(message, Code.ResourceExhausted, undefined, undefined, error);
}

/** What the kit reads and writes unless told otherwise. */
export const DEFAULT_COMPRESSIONS: readonly Compression[] = [
  createCompression('gzip', promisify(zlib.gzip) as Coder, promisify(zlib.gunzip) as Coder),
  createCompression('br', brotli, promisify(zlib.brotliDecompress) as Coder),
  createCompression('zstd', promisify(zlib.zstdCompress) as Coder, promisify(zlib.zstdDecompress) as Coder),
];
