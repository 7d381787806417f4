import { openEtcdClient } from '../peers/etcd/client.ts';
import { EtcdFollower } from '../peers/etcd/follower.ts';
import { readKey } from '../peers/etcd/guarded-writes.ts';
import { parseEtcdUrl } from '../peers/etcd/location.ts';
import { unpackSchema } from '../peers/packed-schema.ts';
import type { SourceOptions } from '../spec.ts';
import type { SourceDriver } from './feed.ts';
import { withSchemas, type AskedDriver } from './with-schemas.ts';

/** Follows etcd. See `parseEtcdUrl` for the URL. */
export function openEtcdSource(options: SourceOptions): SourceDriver {
  const { clock, defaults } = options;
  const location = parseEtcdUrl(options.url);
  const client = openEtcdClient(options, location);
  const follower = new EtcdFollower({ client, clock, location, defaults });
  const driver: AskedDriver = {
    follow: (feed, signal) => follower.follow(feed, signal),
    async readSchema(digest, signal) {
      const record = await readKey(client, location.schemaKey(digest), signal);
      if (record === undefined) throw new Error(`etcd has no descriptors of ${digest}`);
      return unpackSchema(record.value);
    },
    close: () => client.close(),
  };
  return withSchemas(driver, options);
}
