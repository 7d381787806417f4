import { endpointKey, type Endpoint } from '@bascule/core';
import { Event_EventType, type Event, type KeyValue } from '@bascule/schema/gen/peers/etcd/rpc_pb.ts';
import type { Feed } from '../../sources/feed.ts';
import type { EndpointDefaults } from '../../spec.ts';
import { parseRecord } from '../json-record.ts';
import { quoteStart } from '../quote.ts';
import { LEFT, type EtcdLocation } from './location.ts';
import { parseNamingRecord, toInstanceId } from './naming-record.ts';

/** What was read at a key: enough to know it again, in the same history. */
interface Seen {
  readonly key: string;
  readonly createRevision: bigint;
  readonly modRevision: bigint;
  readonly lease: bigint;
}

/** The records below a prefix as they were read last, and what those that are read now say of endpoints. */
export class KnownRecords {
  readonly #location: EtcdLocation;
  readonly #defaults: EndpointDefaults;
  /** By name, without those that are garbage. */
  readonly #seen = new Map<string, Seen>();
  /** Who deregistered last, and when. */
  #left: { readonly key: string; readonly revision: bigint } | undefined;

  constructor(location: EtcdLocation, defaults: EndpointDefaults) {
    this.#location = location;
    this.#defaults = defaults;
  }

  names(): string[] {
    return [...this.#seen.keys()];
  }

  /** Whether one of them is just as it was seen: a history that goes on, whatever its numbers say. */
  hasOneOf(records: readonly KeyValue[]): boolean {
    return records.some((record) => {
      const seen = this.#seen.get(this.#nameOf(record));
      if (seen === undefined || seen.createRevision !== record.createRevision) return false;
      // Ids of leases are not given twice; records without one are known by their last change.
      return record.lease === 0n ? seen.modRevision === record.modRevision : seen.lease === record.lease;
    });
  }

  /** Tells the whole set as it is. */
  replace(feed: Feed, records: readonly KeyValue[], history: 'same' | 'new'): void {
    const endpoints: Endpoint[] = [];
    const unreadable: string[] = [];
    this.#seen.clear();
    for (const record of records) {
      const name = this.#nameOf(record);
      if (name === LEFT) continue;
      const endpoint = this.#parse(feed, name, record);
      if (endpoint === undefined) {
        unreadable.push(toInstanceId(name));
      } else {
        endpoints.push(endpoint);
        this.#seen.set(name, toSeen(endpoint, record));
      }
    }
    feed.answer({ endpoints, unreadable, history });
  }

  /** Tells what has happened, in order. */
  update(feed: Feed, events: readonly Event[]): void {
    for (const { type, kv } of events) {
      if (kv === undefined) continue;
      const name = this.#nameOf(kv);
      if (name === LEFT) this.#left = { key: Buffer.from(kv.value).toString(), revision: kv.modRevision };
      else if (type === Event_EventType.DELETE) this.#delete(feed, name, kv.modRevision);
      else this.#put(feed, name, kv);
    }
  }

  #put(feed: Feed, name: string, record: KeyValue): void {
    const endpoint = this.#parse(feed, name, record);
    if (endpoint === undefined) return;
    const before = this.#seen.get(name)?.key;
    const seen = toSeen(endpoint, record);
    this.#seen.set(name, seen);
    feed.put(endpoint);
    // One key holds one process: also one that calls itself older has taken the place.
    if (before !== undefined && before !== seen.key) feed.remove(before, 'replaced');
  }

  #delete(feed: Feed, name: string, revision: bigint): void {
    const seen = this.#seen.get(name);
    this.#seen.delete(name);
    const isSaid = this.#left?.revision === revision && this.#left.key === seen?.key;
    const hadLease = seen !== undefined && seen.lease !== 0n;
    feed.removeInstance(toInstanceId(name), hadLease && !isSaid ? 'lease-expired' : 'deregistered');
  }

  #parse(feed: Feed, name: string, record: KeyValue): Endpoint | undefined {
    const { layout, recordsPrefix } = this.#location;
    try {
      if (layout === 'ours') return parseRecord(record.value, name);
      return parseNamingRecord({ name, value: record.value, createRevision: record.createRevision }, this.#defaults);
    } catch (error) {
      const key = quoteStart(recordsPrefix + name);
      feed.warning(`the record at the key ${key} of etcd cannot be read: ${(error as Error).message}`);
      return undefined;
    }
  }

  #nameOf({ key }: KeyValue): string {
    return Buffer.from(key).toString().slice(this.#location.recordsPrefix.length);
  }
}

function toSeen(endpoint: Endpoint, { createRevision, modRevision, lease }: KeyValue): Seen {
  return { key: endpointKey(endpoint), createRevision, modRevision, lease };
}
