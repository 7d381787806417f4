import type { Clock } from '@bascule/core';
import type { Event } from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import type { Feed } from '../../sources/feed.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { waitFor } from '../../waiting.ts';
import type { EtcdClient } from './client.ts';
import { KnownRecords } from './known-records.ts';
import type { EtcdLocation } from './location.ts';
import { readRecords, type Snapshot } from './read-records.ts';
import { watchRecords } from './watch-records.ts';

/** Between the two readings that more than half of the set must be missing from. */
const SECOND_LOOK_MS = 1_000;

export interface FollowerParts {
  readonly client: EtcdClient;
  readonly clock: Clock;
  readonly location: EtcdLocation;
  readonly defaults: EndpointDefaults;
}

type Point = Pick<Snapshot, 'clusterId' | 'revision'>;

/** Watches a prefix, and knows over sessions where in the history of which etcd it stands. */
export class EtcdFollower {
  readonly #parts: FollowerParts;
  readonly #known: KnownRecords;
  #at: Point | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#known = new KnownRecords(parts.location, parts.defaults);
  }

  async follow(feed: Feed, signal: AbortSignal): Promise<void> {
    try {
      await this.#catchUp(feed, signal);
      for (;;) {
        await this.#watch(feed, signal);
        // Compacted: what has happened since is not to be had any more, what is there now is.
        await this.#readAnew(feed, signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  async #watch(feed: Feed, signal: AbortSignal): Promise<'compacted'> {
    const { client, clock, location } = this.#parts;
    const { clusterId, revision } = this.#at as Point;
    const start = { prefix: location.recordsPrefix, clusterId, revision: revision + 1n };
    return watchRecords({ client, clock, signal }, start, {
      onCreated: () => feed.connected(),
      onEvents: (events, isFragment) => this.#hear(feed, events, isFragment),
    });
  }

  #hear(feed: Feed, events: readonly Event[], isFragment: boolean): void {
    this.#known.update(feed, events);
    const last = events.at(-1)?.kv;
    // Of a revision that came in part, all is asked for again.
    if (last === undefined || isFragment || this.#at === undefined) return;
    this.#at = { clusterId: this.#at.clusterId, revision: last.modRevision };
  }

  /** Where the history goes on, the watch tells what was missed, and why each one left; else everything is told anew. */
  async #catchUp(feed: Feed, signal: AbortSignal): Promise<void> {
    if (await this.#remembers(signal)) return;
    const snapshot = await this.#readAll(signal);
    if (!this.#isSame(snapshot)) this.#tell(feed, snapshot);
  }

  /**
   * Whether etcd still has a record exactly as it was seen: then it has lost nothing of its history since, and the watch
   * can go on from there. A wiped etcd of the same configuration has the same cluster id, and may have come as far.
   */
  async #remembers(signal: AbortSignal): Promise<boolean> {
    const [witness] = this.#known.names();
    if (witness === undefined) return false;
    const key = Buffer.from(this.#parts.location.recordsPrefix + witness);
    const { header, kvs } = await this.#parts.client.call(signal, ({ kv }, options) => kv.range({ key }, options));
    return this.#isSame({ records: kvs, clusterId: header?.clusterId ?? 0n, revision: header?.revision ?? 0n });
  }

  #isSame({ records, clusterId, revision }: Snapshot): boolean {
    if (this.#at === undefined || clusterId !== this.#at.clusterId || revision < this.#at.revision) return false;
    return this.#known.hasOneOf(records);
  }

  /** Tells the whole set as it is, and once more when most of it is missing from a history that goes on. */
  async #readAnew(feed: Feed, signal: AbortSignal): Promise<void> {
    const before = this.#known.names();
    const history = this.#tell(feed, await this.#readAll(signal));
    const there = new Set(this.#known.names());
    const missing = before.filter((name) => !there.has(name)).length;
    if (history === 'new' || missing * 2 <= before.length) return;
    await waitFor(this.#parts.clock, SECOND_LOOK_MS, signal);
    signal.throwIfAborted();
    this.#tell(feed, await this.#readAll(signal));
  }

  #readAll(signal: AbortSignal): Promise<Snapshot> {
    return readRecords(this.#parts.client, this.#parts.location.recordsPrefix, signal);
  }

  #tell(feed: Feed, snapshot: Snapshot): 'same' | 'new' {
    const { layout, recordsPrefix } = this.#parts.location;
    const history = this.#isSame(snapshot) ? 'same' : 'new';
    this.#at = { clusterId: snapshot.clusterId, revision: snapshot.revision };
    if (layout === 'naming' && snapshot.records.length === 0) {
      feed.warning(
        `no key of etcd begins with ${recordsPrefix} yet; a prefix with a slash in front is written with two`,
      );
    }
    this.#known.replace(feed, snapshot.records, history);
    return history;
  }
}
