import { endpointKey, type Clock, type Endpoint } from '@bascule/core';
import { Event_EventType, type Event, type KeyValue } from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import type { Feed } from '../../sources/feed.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { waitFor } from '../../waiting.ts';
import { parseRecord } from '../json-record.ts';
import { quoteStart } from '../quote.ts';
import type { EtcdClient } from './client.ts';
import { LEFT, type EtcdLocation } from './location.ts';
import { parseNamingRecord, toInstanceId } from './naming-record.ts';
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

/** What was read at a key: enough to know it again, in the same history. */
interface Seen {
  readonly key: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly lease: bigint;
}

type Point = Pick<Snapshot, 'clusterId' | 'revision'>;

/** What outlives sessions: where the history stands, and what was known there. */
export class EtcdFollower {
  readonly #parts: FollowerParts;
  /** By name, without those that are garbage. */
  readonly #known = new Map<string, Seen>();
  #at: Point | undefined;
  /** Who deregistered last, and when. */
  #left: { readonly key: string; readonly revision: bigint } | undefined;
  feed: Feed | undefined;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  async follow(feed: Feed, signal: AbortSignal): Promise<void> {
    this.feed = feed;
    try {
      await this.#catchUp(feed, signal);
      for (;;) {
        await this.#watch(feed, signal);
        // Compacted: what has happened since is not to be had any more, what is there now is.
        await this.#read(feed, signal);
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
      onEvents: (events, isFragment) => this.#apply(feed, events, isFragment),
    });
  }

  /** Where the history goes on, the watch tells what was missed, and why each one left; else everything is told anew. */
  async #catchUp(feed: Feed, signal: AbortSignal): Promise<void> {
    if (await this.#remembers(signal)) return;
    const snapshot = await readRecords(this.#parts.client, this.#parts.location.recordsPrefix, signal);
    if (!this.#isSame(snapshot)) this.#tell(feed, snapshot, []);
  }

  /**
   * Whether etcd still has a record exactly as it was seen: then it has lost nothing of its history since, and the watch
   * can go on from there. A wiped etcd of the same configuration has the same cluster id, and may have come as far.
   */
  async #remembers(signal: AbortSignal): Promise<boolean> {
    const [witness] = this.#known.keys();
    if (witness === undefined) return false;
    const key = Buffer.from(this.#parts.location.recordsPrefix + witness);
    const { header, kvs } = await this.#parts.client.call(signal, ({ kv }, options) => kv.range({ key }, options));
    return this.#isSame({ records: kvs, clusterId: header?.clusterId ?? 0n, revision: header?.revision ?? 0n });
  }

  #isSame({ records, clusterId, revision }: Snapshot): boolean {
    if (this.#at === undefined || clusterId !== this.#at.clusterId || revision < this.#at.revision) return false;
    return records.some((record) => {
      const seen = this.#known.get(this.#nameOf(record));
      if (seen === undefined || seen.createRevision !== record.createRevision) return false;
      // Ids of leases are not given twice; records without one are known by their last change.
      return record.lease === 0n ? seen.modRevision === record.modRevision : seen.lease === record.lease;
    });
  }

  /** Tells the whole set as it is, and once more when most of it is missing from a history that goes on. */
  async #read(feed: Feed, signal: AbortSignal): Promise<void> {
    const { client, clock, location } = this.#parts;
    const before = [...this.#known.keys()];
    const missing = this.#tell(feed, await readRecords(client, location.recordsPrefix, signal), before);
    if (missing * 2 <= before.length) return;
    await waitFor(clock, SECOND_LOOK_MS, signal);
    signal.throwIfAborted();
    this.#tell(feed, await readRecords(client, location.recordsPrefix, signal), before);
  }

  /** How many of those `before` are missing, in a history that goes on; else 0. */
  #tell(feed: Feed, snapshot: Snapshot, before: readonly string[]): number {
    const history = this.#isSame(snapshot) ? 'same' : 'new';
    const seen = new Map<string, Seen>();
    const endpoints: Endpoint[] = [];
    const unreadable: string[] = [];
    for (const record of snapshot.records) {
      const name = this.#nameOf(record);
      if (name === LEFT) continue;
      const endpoint = this.#parse(feed, name, record);
      if (endpoint === undefined) {
        unreadable.push(toInstanceId(name));
      } else {
        endpoints.push(endpoint);
        seen.set(name, toSeen(endpoint, record));
      }
    }
    this.#known.clear();
    for (const [name, record] of seen) this.#known.set(name, record);
    this.#at = { clusterId: snapshot.clusterId, revision: snapshot.revision };
    this.#warnOfNothing(feed, snapshot);
    feed.answer({ endpoints, unreadable, history });
    return history === 'same' ? before.filter((name) => !seen.has(name)).length : 0;
  }

  #apply(feed: Feed, events: readonly Event[], isFragment: boolean): void {
    for (const { type, kv } of events) {
      if (kv === undefined) continue;
      const name = this.#nameOf(kv);
      if (name === LEFT) this.#left = { key: Buffer.from(kv.value).toString(), revision: kv.modRevision };
      else if (type === Event_EventType.DELETE) this.#delete(feed, name, kv.modRevision);
      else this.#put(feed, name, kv);
    }
    const last = events.at(-1)?.kv;
    // Of a revision that came in part, all is asked for again.
    if (last === undefined || isFragment || this.#at === undefined) return;
    this.#at = { clusterId: this.#at.clusterId, revision: last.modRevision };
  }

  #put(feed: Feed, name: string, record: KeyValue): void {
    const endpoint = this.#parse(feed, name, record);
    if (endpoint === undefined) return;
    const before = this.#known.get(name)?.key;
    const seen = toSeen(endpoint, record);
    this.#known.set(name, seen);
    feed.put(endpoint);
    // One key holds one process: also one that calls itself older has taken the place.
    if (before !== undefined && before !== seen.key) feed.remove(before, 'replaced');
  }

  #delete(feed: Feed, name: string, revision: bigint): void {
    const seen = this.#known.get(name);
    this.#known.delete(name);
    const isSaid = this.#left?.revision === revision && this.#left.key === seen?.key;
    const hadLease = seen !== undefined && seen.lease !== 0n;
    feed.removeInstance(toInstanceId(name), hadLease && !isSaid ? 'lease-expired' : 'deregistered');
  }

  #parse(feed: Feed, name: string, record: KeyValue): Endpoint | undefined {
    const { location, defaults } = this.#parts;
    try {
      if (location.layout === 'ours') return parseRecord(record.value, name);
      return parseNamingRecord({ name, value: record.value, createRevision: record.createRevision }, defaults);
    } catch (error) {
      const key = quoteStart(location.recordsPrefix + name);
      feed.warning(`the record at the key ${key} of etcd cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  #warnOfNothing(feed: Feed, { records }: Snapshot): void {
    const { layout, recordsPrefix } = this.#parts.location;
    if (layout === 'ours' || records.length > 0) return;
    feed.warning(`no key of etcd begins with ${recordsPrefix} yet; a prefix with a slash in front is written with two`);
  }

  #nameOf({ key }: KeyValue): string {
    return Buffer.from(key).toString().slice(this.#parts.location.recordsPrefix.length);
  }
}

function toSeen(endpoint: Endpoint, { createRevision, modRevision, lease }: KeyValue): Seen {
  return { key: endpointKey(endpoint), createRevision, modRevision, lease };
}
