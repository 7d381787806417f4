import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';

/** As the embedded registry allows. */
const MAX_SCHEMA_BYTES = 2 * 1024 * 1024;
/** etcd takes requests of 1.5 MiB, ZooKeeper nodes of 1 MiB, keys and paths included. */
const MAX_PACKED_BYTES = 1_000_000;

const zip = promisify(gzip);
const unzip = promisify(gunzip);

/** Descriptors as systems of keys and values carry them: gzip, a fourth of the size. Throws for those that are too large. */
export async function packSchema(schema: Uint8Array): Promise<Uint8Array> {
  const packed = schema.length > MAX_SCHEMA_BYTES ? schema : await zip(schema);
  if (packed.length <= MAX_PACKED_BYTES) return packed;
  throw new Error(
    `the descriptors have ${schema.length} bytes, ${packed.length} of them packed: ` +
      `${MAX_SCHEMA_BYTES} and ${MAX_PACKED_BYTES} are the most; register fewer services with one instance`,
  );
}

/** The reverse of {@link packSchema}. Rejects for what is not packed, or would grow beyond the limit. */
export function unpackSchema(packed: Uint8Array): Promise<Uint8Array> {
  return unzip(packed, { maxOutputLength: MAX_SCHEMA_BYTES });
}
