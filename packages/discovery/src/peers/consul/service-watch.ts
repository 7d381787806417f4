import type { Clock, Endpoint } from '@bascule/core';
import type { EndpointDefaults } from '../../spec.ts';
import type { Answer, Feed } from '../../sources/feed.ts';
import { waitFor } from '../../waiting.ts';
import type { HttpClient } from '../http.ts';
import { createPace } from '../pace.ts';
import { gatherReadings, readRecord, type Reading } from '../records.ts';
import { askConsul, type ConsulAnswer } from './asking.ts';
import { spareSilent } from '../silence.ts';
import { isSilent, spare, toConsulRecord, toEndpoint, type ConsulRecord } from './records.ts';
import type { ConsulTarget } from './target.ts';

export interface ServiceWatchOptions {
  readonly http: HttpClient;
  readonly target: ConsulTarget;
  readonly clock: Clock;
  readonly defaults: EndpointDefaults;
  readonly name: string;
  /** How long a query may block; it is asked before each. */
  waitMs(): number;
}

/** Follows one service until the signal aborts (and may throw then), or until it fails. Remembers its history between. */
export interface ServiceWatch {
  follow(feed: Feed, signal: AbortSignal): Promise<void>;
  /**
   * Throws when Consul's history lies before what was heard: a query that blocks for news after a point which a server
   * that has started anew has not reached would hear nothing for minutes.
   */
  checkHistory(signal: AbortSignal): Promise<void>;
}

interface Read {
  readonly version: string;
  readonly witness: string;
  readonly reading: Reading;
}

const CONFIRM_MS = 1_000;

/** A watch that knows nothing yet. */
export function createServiceWatch(options: ServiceWatchOptions): ServiceWatch {
  const { http, target, clock, defaults, name } = options;
  const path = `/v1/health/service/${encodeURIComponent(name)}`;
  /** Of the last answer; 0 before the first. */
  let index = 0;
  let isFiltered = false;
  /** By the key of a record. */
  let known: ReadonlyMap<string, Read> = new Map();

  function readOne(record: ConsulRecord, feed: Feed, isSameHistory: boolean): Read {
    const { version, witness, ids } = record;
    const before = known.get(record.key);
    // Most of an answer is what it was: reading it again would be most of the work. Unreadable ones are told again.
    if (isSameHistory && before?.version === version && 'endpoint' in before.reading) return before;
    const warn = (message: string): void => feed.warning(`Consul: ${message}`);
    const reading = readRecord(ids, (): Endpoint => toEndpoint(record, defaults), warn);
    return { version, witness, reading };
  }

  /** Whether an answer goes on from the last one: then who is missing has left. */
  function continues(answer: ConsulAnswer, records: readonly ConsulRecord[], isResumed: boolean): boolean {
    if (index === 0 || answer.index < index) return false;
    // Rights that were taken away look like instances that left.
    if (answer.isFiltered && !isFiltered) return false;
    // A cluster that lost its data may have come further than the old one had. It does not know the old registrations.
    const witnesses = new Set(Array.from(known.values(), ({ witness }) => witness));
    return !isResumed || records.some(({ witness }) => witnesses.has(witness));
  }

  /** Tells an answer; true when most of what was known is missing from it, and it should be heard twice. */
  function tell(feed: Feed, answer: ConsulAnswer, isResumed: boolean): boolean {
    const body = answer.body();
    if (!Array.isArray(body)) throw new Error(`Consul answers with something that is no list of ${name}`);
    const entries = body.map(toConsulRecord);
    const told = entries.filter((record) => record !== undefined);
    const records = spareSilent(told, isSilent, spare);
    if (records !== told) feed.warning(`Consul: most of ${name} do not renew at once, so those count as well`);
    let isSameHistory = continues(answer, records, isResumed);
    if (records.length < entries.length) {
      feed.warning(`Consul: ${entries.length - records.length} records of ${name} have no id and cannot be read`);
      isSameHistory = false;
    }
    const now = new Map(records.map((record) => [record.key, readOne(record, feed, isSameHistory)]));
    const lost = [...known.keys()].filter((key) => !now.has(key)).length;
    const isMost = now.size > 0 && lost * 2 > known.size;
    const history: Answer['history'] = isSameHistory ? 'same' : 'new';
    const readings = Array.from(now.values(), ({ reading }) => reading);
    feed.answer({ ...gatherReadings(readings), history, scope: name });
    if (now.size === 0 && index === 0 && (answer.isFiltered || answer.deniesByDefault)) {
      feed.warning(`Consul: it tells nothing of ${name}, which is also what it says to tokens that may not read it`);
    }
    known = now;
    index = answer.index;
    isFiltered = answer.isFiltered;
    return isMost;
  }

  async function follow(feed: Feed, signal: AbortSignal): Promise<void> {
    const pace = createPace(clock);
    let isResumed = true;
    /** What to ask for news after; 0 asks for all at once. */
    let after = 0;
    let isConfirming = false;
    while (!signal.aborted) {
      const waitMs = options.waitMs();
      const askedMs = clock.nowMs();
      const blocking = { index: after, waitMs, ...(isConfirming && { isConsistent: true }) };
      const answer = await askConsul(http, target, path, blocking, signal);
      const answeredMs = clock.nowMs();
      const before = index;
      isConfirming = tell(feed, answer, isResumed) && !isConfirming;
      isResumed = false;
      // Consul's rule: an index that went back, or is none, is forgotten.
      after = isConfirming || answer.index < before || answer.index < 1 ? 0 : answer.index;
      if (isConfirming) {
        await waitFor(clock, CONFIRM_MS * (0.5 + clock.random()), signal);
      } else {
        const blockedMs = answeredMs - askedMs;
        const isNews = answer.index > before || blockedMs >= waitMs / 2;
        await pace({ blockedMs, isNews, handlingMs: clock.nowMs() - answeredMs }, signal);
      }
    }
  }

  return {
    follow,
    async checkHistory(signal) {
      const heard = index;
      if (heard === 0) return;
      // Nobody has no node; the index is that of the whole list all the same.
      const nobody = `${path}?filter=${encodeURIComponent('Node.Node == ""')}`;
      const answer = await askConsul(http, target, nobody, { index: 0, waitMs: 0 }, signal);
      if (answer.index < heard) throw new Error('Consul has started anew: its history is before what it told');
    },
  };
}
