import { endpointKey, type Endpoint } from '@bascule/core';
import type { Feed } from '../../sources/feed.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { parseRecord } from '../json-record.ts';
import { quoteStart } from '../quote.ts';
import { parseCuratorRecord } from './curator-record.ts';
import type { LeavingNode } from './left-list.ts';
import type { ZookeeperLocation } from './location.ts';
import type { NodeState } from './read-nodes.ts';

/** What was read at a node. */
interface Seen extends LeavingNode {
  /** Of the endpoint; undefined where nothing could ever be read. */
  readonly key: string | undefined;
  /** Ends with the session of who made it. */
  readonly isEphemeral: boolean;
}

export type Nodes = ReadonlyMap<string, NodeState>;

/** The nodes of a folder as they were read last, and what those that are read now say of endpoints. */
export class KnownNodes {
  readonly #location: ZookeeperLocation;
  readonly #defaults: EndpointDefaults;
  readonly #seen = new Map<string, Seen>();

  constructor(location: ZookeeperLocation, defaults: EndpointDefaults) {
    this.#location = location;
    this.#defaults = defaults;
  }

  /** Tells the whole set. Those who are missing may have left or not: it is a history that was not followed. */
  replace(feed: Feed, nodes: Nodes): void {
    const endpoints: Endpoint[] = [];
    const unreadable: string[] = [];
    this.#seen.clear();
    for (const [name, node] of nodes) {
      const endpoint = this.#parse(feed, name, node);
      if (endpoint !== undefined) endpoints.push(endpoint);
      else if (node.state !== 'gone') unreadable.push(name);
    }
    feed.answer({ endpoints, unreadable, history: 'new' });
  }

  /** Tells what some of them say now, but for those that are gone: these are returned. */
  update(feed: Feed, nodes: Nodes): string[] {
    const gone: string[] = [];
    for (const [name, node] of nodes) {
      const before = this.#seen.get(name)?.key;
      const endpoint = this.#parse(feed, name, node);
      if (node.state === 'gone') gone.push(name);
      if (endpoint === undefined) continue;
      feed.put(endpoint);
      // One node holds one process: also one that calls itself older has taken the place.
      if (before !== undefined && before !== endpointKey(endpoint)) feed.remove(before, 'replaced');
    }
    return gone;
  }

  /** Tells who is gone. `hasLeft` finds out whether a node that would have gone with its session was deleted. */
  async remove(feed: Feed, gone: readonly string[], hasLeft: (node: LeavingNode) => Promise<boolean>): Promise<void> {
    const isExpiry = async (seen: Seen | undefined): Promise<boolean> =>
      seen !== undefined && seen.isEphemeral && !(await hasLeft(seen));
    const isExpired = await Promise.all(gone.map((name) => isExpiry(this.#seen.get(name))));
    gone.forEach((name, index) => {
      this.#seen.delete(name);
      feed.removeInstance(name, isExpired[index] === true ? 'lease-expired' : 'deregistered');
    });
  }

  /** What a node says, remembered; undefined for a node that is gone, and for garbage: then what was known stays. */
  #parse(feed: Feed, name: string, node: NodeState): Endpoint | undefined {
    const path = quoteStart(`${this.#location.folder}/${name}`);
    if (node.state === 'hidden') feed.warning(`the ACL of ${path} in ZooKeeper does not let us read it`);
    if (node.state !== 'there') return undefined;
    const { data, stat } = node;
    const seen = { name, czxid: stat.czxid, isEphemeral: stat.ephemeralOwner !== 0n };
    try {
      const endpoint =
        this.#location.layout === 'ours'
          ? parseRecord(data, name)
          : parseCuratorRecord({ name, data, ctimeMs: stat.ctimeMs }, this.#defaults);
      this.#seen.set(name, { ...seen, key: endpointKey(endpoint) });
      return endpoint;
    } catch (error) {
      feed.warning(`the node ${path} of ZooKeeper cannot be read: ${(error as Error).message}`);
      this.#seen.set(name, { ...seen, key: this.#seen.get(name)?.key });
      return undefined;
    }
  }
}
