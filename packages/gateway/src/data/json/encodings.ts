import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from 'node:zlib';

/** An encoding of single messages, by its name in `grpc-encoding`. */
interface Encoding {
  decompress(bytes: Uint8Array, maxOutputLength: number): Uint8Array;
  compress(bytes: Uint8Array): Uint8Array;
}

/** Shorter messages are not worth the work. */
const MIN_COMPRESSED_BYTES = 1_024;

/** Levels made for answers on the way: brotli's own default takes a second for a megabyte. */
const ENCODINGS: ReadonlyMap<string, Encoding> = new Map<string, Encoding>([
  [
    'gzip',
    {
      decompress: (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }),
      compress: (bytes) => gzipSync(bytes, { level: 4 }),
    },
  ],
  [
    'br',
    {
      decompress: (bytes, maxOutputLength) => brotliDecompressSync(bytes, { maxOutputLength }),
      compress: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 3 } }),
    },
  ],
  [
    'deflate',
    {
      decompress: (bytes, maxOutputLength) => inflateSync(bytes, { maxOutputLength }),
      compress: (bytes) => deflateSync(bytes, { level: 4 }),
    },
  ],
  [
    'zstd',
    {
      decompress: (bytes, maxOutputLength) => zstdDecompressSync(bytes, { maxOutputLength }),
      compress: (bytes) => zstdCompressSync(bytes),
    },
  ],
]);

/** For people: what {@link decompress} reads. */
export const ENCODING_NAMES = 'gzip, br, zstd, deflate or identity';

export function isKnownEncoding(name: string): boolean {
  return ENCODINGS.has(name);
}

/** Undoes `encoding`, stopping above `maxBytes`: 172 bytes of brotli can be 100 MiB. */
export function decompress(encoding: string, bytes: Uint8Array, maxBytes: number): Uint8Array | 'too-large' | 'broken' {
  try {
    return (ENCODINGS.get(encoding) as Encoding).decompress(bytes, maxBytes);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? 'too-large' : 'broken';
  }
}

/** Compresses where it pays; undefined where it does not. */
export function compress(encoding: string, bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < MIN_COMPRESSED_BYTES) return undefined;
  const compressed = (ENCODINGS.get(encoding) as Encoding).compress(bytes);
  return compressed.length < bytes.length ? compressed : undefined;
}

/** A `grpc-accept-encoding` list without what cannot be read here; may be empty. */
export function filterEncodings(list: string): string {
  return list
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name === 'identity' || ENCODINGS.has(name))
    .join(', ');
}
