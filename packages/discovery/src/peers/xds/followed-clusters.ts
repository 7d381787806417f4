import type { Feed } from '../../sources/feed.ts';
import type { ReadAssignment } from './assignment.ts';

/**
 * What clusters consist of, over all streams. xDS has no word for who left and no history: versions are names, and a
 * server that lost its memory answers like any other. So within a stream, whoever it told and tells no more has left;
 * whoever is missing in the first answer of a stream must be missing in those of the next ones as well.
 */
export interface FollowedClusters {
  streamBegan(): void;
  told(cluster: string, version: string, assignment: ReadAssignment, feed: Feed): void;
  /** The stream has had its time: clusters that it never told of are doubted. */
  streamEnded(feed: Feed): void;
  /** Whether somebody is missing who may be there. */
  hasDoubts(): boolean;
}

interface Cluster {
  version: string;
  /** The stream that told of it last. */
  stream: number;
  /** How many streams have told of it. */
  streams: number;
  /** How many it consists of now. */
  told: number;
  /** Instance ids of these and of who is missing, each with the last of those streams that told it. */
  readonly seen: Map<string, number>;
}

/** A fourth stream that lacks somebody would say nothing new: see Answer.history. */
const REMEMBERED_STREAMS = 4;

export function createFollowedClusters(): FollowedClusters {
  const clusters = new Map<string, Cluster>();
  let stream = 0;

  function clusterOf(name: string): Cluster {
    let cluster = clusters.get(name);
    if (cluster === undefined)
      clusters.set(name, (cluster = { version: '', stream: 0, streams: 0, told: 0, seen: new Map() }));
    return cluster;
  }

  return {
    streamBegan: () => void stream++,

    told(name, version, { endpoints, unreadable }, feed) {
      const cluster = clusterOf(name);
      const isFirst = cluster.stream !== stream;
      const isBack = isFirst && isBefore(version, cluster.version);
      if (isFirst) cluster.streams++;
      const told = new Set(endpoints.map(({ instanceId }) => instanceId));
      Object.assign(cluster, { version, stream, told: told.size });
      const { seen, streams } = cluster;
      const missing = [...seen].filter(([id]) => !told.has(id));
      // Who was not told in this stream cannot leave in it.
      const others = isFirst || told.size === 0 ? [] : missing.filter(([, last]) => last < streams).map(([id]) => id);
      feed.answer({
        endpoints,
        unreadable: [...unreadable, ...others],
        history: isFirst ? (isBack ? 'new' : 'none') : 'same',
        scope: name,
      });
      const isDoubted = isFirst || told.size === 0 || missing.length * 2 > seen.size;
      for (const [id, last] of missing) {
        if (last === streams ? !isDoubted : streams - last >= REMEMBERED_STREAMS) seen.delete(id);
      }
      for (const id of told) seen.set(id, streams);
    },

    streamEnded(feed) {
      for (const [name, cluster] of clusters) {
        if (cluster.stream !== stream) feed.answer({ endpoints: [], history: 'none', scope: name });
      }
    },

    hasDoubts: () => clusters.values().some(({ seen, told }) => seen.size > told),
  };
}

/** Most servers count their versions; others' cannot be compared. */
function isBefore(next: string, version: string): boolean {
  const isNumber = (text: string): boolean => /^[0-9]{1,20}$/.test(text);
  return isNumber(next) && isNumber(version) && BigInt(next) < BigInt(version);
}
