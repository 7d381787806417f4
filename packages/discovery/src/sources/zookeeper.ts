import { abortable } from '../peers/abortable.ts';
import { ZookeeperFollower } from '../peers/zookeeper/follower.ts';
import { parseZookeeperUrl } from '../peers/zookeeper/location.ts';
import { getData } from '../peers/zookeeper/operations.ts';
import { openSession } from '../peers/zookeeper/open-session.ts';
import { unpackSchema } from '../peers/packed-schema.ts';
import type { SourceOptions } from '../spec.ts';
import type { SourceDriver } from './feed.ts';
import { withSchemas, type AskedDriver } from './with-schemas.ts';

const DEFAULT_SESSION_MS = 15_000;

/** Follows ZooKeeper. See `parseZookeeperUrl` for the URL. */
export function openZookeeperSource(options: SourceOptions): SourceDriver {
  const location = parseZookeeperUrl(options.url);
  const session = openSession(location, options, location.sessionTimeoutMs ?? DEFAULT_SESSION_MS);
  const follower = new ZookeeperFollower({ session, location, defaults: options.defaults });
  const driver: AskedDriver = {
    follow: (feed, signal) => follower.follow(feed, signal),
    async readSchema(digest, signal) {
      const connection = await session.connected(signal);
      const asking = connection.request(getData(location.schemaPath(digest), false));
      const { data } = await abortable(asking, signal);
      return unpackSchema(data);
    },
    close: () => session.close(),
  };
  return withSchemas(driver, options);
}
