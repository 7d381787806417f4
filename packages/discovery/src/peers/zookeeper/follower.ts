import { endpointKey, type Endpoint } from '@bascule/core';
import type { Feed } from '../../sources/feed.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { abortable } from '../abortable.ts';
import { parseRecord } from '../json-record.ts';
import { quoteStart } from '../quote.ts';
import type { Connection } from './connection.ts';
import { parseCuratorRecord } from './curator-record.ts';
import { orMissing } from './errors.ts';
import { hasLeft, type LeavingNode } from './left-list.ts';
import type { ZookeeperLocation } from './location.ts';
import { exists, getChildren, type Stat } from './operations.ts';
import type { WatchEvent } from './packets.ts';
import { readNodes, type NodeState } from './read-nodes.ts';
import { rewatch } from './rewatch.ts';
import type { Session } from './session.ts';

const MAX_CHILDREN = 100_000;

export interface FollowerParts {
  readonly session: Session;
  readonly location: ZookeeperLocation;
  readonly defaults: EndpointDefaults;
}

/** What was read at a node. */
interface Seen extends LeavingNode {
  /** Of the endpoint; undefined where nothing could ever be read. */
  readonly key: string | undefined;
  /** Ends with the session of who made it. */
  readonly isEphemeral: boolean;
}

/** Where a follower stands in the history of a folder. */
interface Place {
  /** A folder that was made anew is another one. The id of the change is not enough: those of a wiped server begin anew. */
  readonly folder: Pick<Stat, 'czxid' | 'ctimeMs'>;
  /** The last change that what is known, or dirty, tells of. */
  zxid: bigint;
}

/**
 * Watches the children of a folder and the data of each. Watches fire once: what has fired is dirty until it was read
 * again, which watches it anew. So nothing is missed in between, nor while the connection is broken.
 */
export class ZookeeperFollower {
  readonly #parts: FollowerParts;
  readonly #known = new Map<string, Seen>();
  /** Names whose data is watched, or about to be. */
  readonly #watched = new Set<string>();
  readonly #dirty = new Set<string>();
  #isFolderDirty = false;
  /** Undefined while the folder is missing, or was not read to its end. */
  #place: Place | undefined;
  #wake: () => void = () => undefined;
  feed: Feed | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  async follow(feed: Feed, signal: AbortSignal): Promise<void> {
    this.feed = feed;
    try {
      const connection = await this.#parts.session.connected(signal);
      await abortable(this.#followOn(connection, feed), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #followOn(connection: Connection, feed: Feed): Promise<never> {
    connection.listen((event) => this.#hear(event));
    if (!(await this.#resume(connection))) await this.#readAll(connection, feed);
    await this.#readDirty(connection, feed);
    for (;;) {
      // Whatever has changed up to here has been heard of on this connection.
      if (this.#place !== undefined) this.#place.zxid = connection.lastZxid;
      feed.connected();
      await this.#news(connection);
      await this.#readDirty(connection, feed);
    }
  }

  #hear({ type, path }: WatchEvent): void {
    const { folder } = this.#parts.location;
    if (path === folder) {
      this.#isFolderDirty = true;
    } else if (type !== 'children-changed' && path.startsWith(`${folder}/`)) {
      const name = path.slice(folder.length + 1);
      this.#watched.delete(name);
      this.#dirty.add(name);
    }
    this.#wake();
  }

  async #news(connection: Connection): Promise<void> {
    if (this.#isFolderDirty || this.#dirty.size > 0) return;
    const woken = new Promise<undefined>((resolve) => {
      this.#wake = () => resolve(undefined);
    });
    const why = await Promise.race([woken, connection.ended]);
    if (why !== undefined) throw why;
  }

  /** Where the history goes on, watches that are set again tell what was missed. */
  async #resume(connection: Connection): Promise<boolean> {
    const { folder } = this.#parts.location;
    const place = this.#place;
    if (place === undefined) return false;
    const stat = await orMissing(connection.request(exists(folder, false)));
    // A server may show us the past when no other is left.
    if (!isSameFolder(stat, place) || connection.lastZxid < place.zxid) return false;
    await rewatch(connection, { zxid: place.zxid, folder, names: this.#watched });
    return true;
  }

  /** Tells the whole set. Those who are missing may have left or not: it is a history that was not followed. */
  async #readAll(connection: Connection, feed: Feed): Promise<void> {
    const { folder } = this.#parts.location;
    this.#place = undefined;
    this.#dirty.clear();
    this.#watched.clear();
    const there = await this.#readFolder(connection);
    const nodes = await this.#read(connection, there?.children ?? []);
    const endpoints: Endpoint[] = [];
    const unreadable: string[] = [];
    this.#known.clear();
    for (const [name, node] of nodes) {
      const endpoint = this.#parse(feed, name, node);
      if (endpoint !== undefined) endpoints.push(endpoint);
      else if (node.state !== 'gone') unreadable.push(name);
    }
    if (there !== undefined) this.#place = { folder: there.stat, zxid: connection.lastZxid };
    else feed.warning(`ZooKeeper has no node ${folder} yet: nobody is there until somebody makes it`);
    feed.answer({ endpoints, unreadable, history: 'new' });
  }

  /** Children of the folder, watched. When it is missing, its making is. */
  async #readFolder(connection: Connection): Promise<{ children: string[]; stat: Stat } | undefined> {
    const { folder } = this.#parts.location;
    this.#isFolderDirty = false;
    try {
      for (;;) {
        const there = await orMissing(connection.request(getChildren(folder, true)));
        if (there !== undefined && there.children.length > MAX_CHILDREN) {
          throw new Error(`ZooKeeper has more than ${MAX_CHILDREN} nodes below ${folder}`);
        }
        if (there !== undefined) return there;
        if ((await orMissing(connection.request(exists(folder, true)))) === undefined) return undefined;
      }
    } catch (error) {
      this.#isFolderDirty = true;
      throw error;
    }
  }

  async #read(connection: Connection, names: readonly string[]): Promise<Map<string, NodeState>> {
    for (const name of names) {
      this.#dirty.delete(name);
      this.#watched.add(name);
    }
    try {
      const nodes = await readNodes(connection, this.#parts.location.folder, names);
      for (const [name, { state }] of nodes) if (state === 'gone') this.#watched.delete(name);
      return nodes;
    } catch (error) {
      for (const name of names) this.#dirty.add(name);
      throw error;
    }
  }

  async #readDirty(connection: Connection, feed: Feed): Promise<void> {
    let isSame = true;
    if (this.#isFolderDirty) {
      const there = await this.#readFolder(connection);
      isSame = this.#place !== undefined && isSameFolder(there?.stat, this.#place);
      if (isSame) this.#compare(there?.children ?? []);
    }
    // Before a new folder is read: of those in the old one it is known that they were deleted.
    await this.#readNames(connection, feed, [...this.#dirty]);
    if (!isSame) await this.#readAll(connection, feed);
  }

  /** Who is new, and who has gone although nothing could be watched. */
  #compare(children: readonly string[]): void {
    const there = new Set(children);
    for (const name of there) if (!this.#watched.has(name)) this.#dirty.add(name);
    for (const name of this.#watched) if (!there.has(name)) this.#dirty.add(name);
  }

  async #readNames(connection: Connection, feed: Feed, names: readonly string[]): Promise<void> {
    const gone: string[] = [];
    for (const [name, node] of await this.#read(connection, names)) {
      const before = this.#known.get(name)?.key;
      const endpoint = this.#parse(feed, name, node);
      if (node.state === 'gone') gone.push(name);
      if (endpoint === undefined) continue;
      feed.put(endpoint);
      // One node holds one process: also one that calls itself older has taken the place.
      if (before !== undefined && before !== endpointKey(endpoint)) feed.remove(before, 'replaced');
    }
    if (gone.length > 0) await this.#remove(connection, feed, gone);
  }

  async #remove(connection: Connection, feed: Feed, gone: readonly string[]): Promise<void> {
    const { left } = this.#parts.location;
    const isExpiry = async (seen: Seen | undefined): Promise<boolean> =>
      seen !== undefined && seen.isEphemeral && !(await hasLeft(connection, left, seen));
    const isExpired = await Promise.all(gone.map((name) => isExpiry(this.#known.get(name))));
    gone.forEach((name, index) => {
      this.#known.delete(name);
      feed.removeInstance(name, isExpired[index] === true ? 'lease-expired' : 'deregistered');
    });
  }

  /** What a node says, remembered; undefined for a node that is gone, and for garbage: then what was known stays. */
  #parse(feed: Feed, name: string, node: NodeState): Endpoint | undefined {
    const { location, defaults } = this.#parts;
    const path = quoteStart(`${location.folder}/${name}`);
    if (node.state === 'hidden') feed.warning(`the ACL of ${path} in ZooKeeper does not let us read it`);
    if (node.state !== 'there') return undefined;
    const { data, stat } = node;
    const seen = { name, czxid: stat.czxid, isEphemeral: stat.ephemeralOwner !== 0n };
    try {
      const endpoint =
        location.layout === 'ours'
          ? parseRecord(data, name)
          : parseCuratorRecord({ name, data, ctimeMs: stat.ctimeMs }, defaults);
      this.#known.set(name, { ...seen, key: endpointKey(endpoint) });
      return endpoint;
    } catch (error) {
      feed.warning(`the node ${path} of ZooKeeper cannot be read: ${(error as Error).message}`);
      this.#known.set(name, { ...seen, key: this.#known.get(name)?.key });
      return undefined;
    }
  }
}

function isSameFolder(stat: Stat | undefined, { folder }: Place): boolean {
  return stat?.czxid === folder.czxid && stat.ctimeMs === folder.ctimeMs;
}
