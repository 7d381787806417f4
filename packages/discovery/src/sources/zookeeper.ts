import { abortable } from '../peers/abortable.ts';
import { ZookeeperFollower } from '../peers/zookeeper/follower.ts';
import { parseZookeeperUrl } from '../peers/zookeeper/location.ts';
import { getData } from '../peers/zookeeper/operations.ts';
import { openSession } from '../peers/zookeeper/open-session.ts';
import { unpackSchema } from '../peers/packed-schema.ts';
import type { SourceOptions } from '../spec.ts';
import type { SourceDriver } from './feed.ts';
import { createSchemaFetcher } from './schema-fetcher.ts';

const DEFAULT_SESSION_MS = 15_000;

/** Follows ZooKeeper. See `parseZookeeperUrl` for the URL. */
export function openZookeeperSource(options: SourceOptions): SourceDriver {
  const { clock, defaults, schemas } = options;
  const location = parseZookeeperUrl(options.url);
  const session = openSession(location, options, location.sessionTimeoutMs ?? DEFAULT_SESSION_MS);
  const follower = new ZookeeperFollower({ session, location, defaults });
  const closing = new AbortController();
  const fetcher = createSchemaFetcher({
    async ask(digest, signal) {
      const connection = await session.connected(signal);
      const asking = connection.request(getData(location.schemaPath(digest), false));
      const { data } = await abortable(asking, signal);
      return unpackSchema(data);
    },
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
      await session.close();
    },
  };
}
