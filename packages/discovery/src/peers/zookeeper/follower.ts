import type { Feed } from '../../sources/feed.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { abortable } from '../abortable.ts';
import type { Connection } from './connection.ts';
import { orMissing } from './errors.ts';
import { KnownNodes, type Nodes } from './known-nodes.ts';
import { hasLeft } from './left-list.ts';
import type { ZookeeperLocation } from './location.ts';
import { exists, getChildren, type Stat } from './operations.ts';
import type { WatchEvent } from './packets.ts';
import { readNodes } from './read-nodes.ts';
import { rewatch } from './rewatch.ts';
import type { Session } from './session.ts';

const MAX_CHILDREN = 100_000;

export interface FollowerParts {
  readonly session: Session;
  readonly location: ZookeeperLocation;
  readonly defaults: EndpointDefaults;
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
  readonly #session: Session;
  readonly #location: ZookeeperLocation;
  readonly #known: KnownNodes;
  /** Names whose data is watched, or about to be. */
  readonly #watched = new Set<string>();
  readonly #dirty = new Set<string>();
  #isFolderDirty = false;
  /** Undefined while the folder is missing, or was not read to its end. */
  #place: Place | undefined;
  #wake: () => void = () => undefined;

  constructor({ session, location, defaults }: FollowerParts) {
    this.#session = session;
    this.#location = location;
    this.#known = new KnownNodes(location, defaults);
  }

  async follow(feed: Feed, signal: AbortSignal): Promise<void> {
    try {
      const connection = await this.#session.connected(signal);
      await abortable(this.#followOn(connection, feed), signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #followOn(connection: Connection, feed: Feed): Promise<never> {
    // Once, and not raced with each piece of news: each race would leave something behind for as long as it lasts.
    void connection.ended.then(() => this.#wake());
    connection.listen((event) => this.#hear(event));
    if (!(await this.#resume(connection))) await this.#readAll(connection, feed);
    await this.#readDirty(connection, feed);
    while (connection.isOpen()) {
      // Whatever has changed up to here has been heard of on this connection.
      if (this.#place !== undefined) this.#place.zxid = connection.lastZxid;
      feed.connected();
      await this.#news();
      await this.#readDirty(connection, feed);
    }
    throw await connection.ended;
  }

  #hear({ type, path }: WatchEvent): void {
    const { folder } = this.#location;
    if (path === folder) {
      this.#isFolderDirty = true;
    } else if (type !== 'children-changed' && path.startsWith(`${folder}/`)) {
      const name = path.slice(folder.length + 1);
      this.#watched.delete(name);
      this.#dirty.add(name);
    }
    this.#wake();
  }

  #news(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    if (this.#isFolderDirty || this.#dirty.size > 0) resolve();
    return promise;
  }

  /** Where the history goes on, watches that are set again tell what was missed. */
  async #resume(connection: Connection): Promise<boolean> {
    const { folder } = this.#location;
    const place = this.#place;
    if (place === undefined) return false;
    const stat = await orMissing(connection.request(exists(folder, false)));
    // A server may show us the past when no other is left.
    if (!isSameFolder(stat, place) || connection.lastZxid < place.zxid) return false;
    await rewatch(connection, { zxid: place.zxid, folder, names: this.#watched });
    return true;
  }

  async #readAll(connection: Connection, feed: Feed): Promise<void> {
    const { folder } = this.#location;
    this.#place = undefined;
    this.#dirty.clear();
    this.#watched.clear();
    const there = await this.#readFolder(connection);
    const nodes = await this.#read(connection, there?.children ?? []);
    if (there !== undefined) this.#place = { folder: there.stat, zxid: connection.lastZxid };
    else feed.warning(`ZooKeeper has no node ${folder} yet: nobody is there until somebody makes it`);
    this.#known.replace(feed, nodes);
  }

  /** Children of the folder, watched. When it is missing, its making is. */
  async #readFolder(connection: Connection): Promise<{ children: string[]; stat: Stat } | undefined> {
    const { folder } = this.#location;
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

  async #read(connection: Connection, names: readonly string[]): Promise<Nodes> {
    for (const name of names) {
      this.#dirty.delete(name);
      this.#watched.add(name);
    }
    try {
      const nodes = await readNodes(connection, this.#location.folder, names);
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
    const gone = this.#known.update(feed, await this.#read(connection, [...this.#dirty]));
    await this.#known.remove(feed, gone, (node) => hasLeft(connection, this.#location.left, node));
    if (!isSame) await this.#readAll(connection, feed);
  }

  /** Who is new, and who has gone although nothing could be watched. */
  #compare(children: readonly string[]): void {
    const there = new Set(children);
    for (const name of there) if (!this.#watched.has(name)) this.#dirty.add(name);
    for (const name of this.#watched) if (!there.has(name)) this.#dirty.add(name);
  }
}

function isSameFolder(stat: Stat | undefined, { folder }: Place): boolean {
  return stat?.czxid === folder.czxid && stat.ctimeMs === folder.ctimeMs;
}
