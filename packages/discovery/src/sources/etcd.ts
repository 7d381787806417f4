import { openEtcdClient, type EtcdClient } from '../peers/etcd/client.ts';
import { EtcdFollower } from '../peers/etcd/follower.ts';
import { parseEtcdUrl, type EtcdLocation } from '../peers/etcd/location.ts';
import { unpackSchema } from '../peers/packed-schema.ts';
import type { SourceOptions } from '../spec.ts';
import type { SourceDriver } from './feed.ts';
import { createSchemaFetcher } from './schema-fetcher.ts';

/** Follows etcd. See `parseEtcdUrl` for the URL. */
export function openEtcdSource(options: SourceOptions): SourceDriver {
  const { clock, defaults, schemas } = options;
  const location = parseEtcdUrl(options.url);
  const client = openEtcdClient(options, location);
  const follower = new EtcdFollower({ client, clock, location, defaults });
  const closing = new AbortController();
  const fetcher = createSchemaFetcher({
    ask: (digest, signal) => readSchema(client, location, digest, signal),
    clock,
    seeds: schemas,
    signal: closing.signal,
    onSchema: (digest, schema) => follower.feed?.schema(digest, schema),
  });
  return {
    follow: (feed, signal) => follower.follow(feed, signal),
    wantSchemas: (digests) => fetcher.want(digests),
    async close() {
      closing.abort(new Error('the source is closed'));
      await client.close();
    },
  };
}

async function readSchema(
  client: EtcdClient,
  location: EtcdLocation,
  digest: string,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const key = location.schemaKey(digest);
  const { kvs } = await client.call(signal, ({ kv }, options) => kv.range({ key }, options));
  const [record] = kvs;
  if (record === undefined) throw new Error(`etcd has no descriptors of ${digest}`);
  return unpackSchema(record.value);
}
