import type { Endpoint } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { EncodedEvent } from './encoded-events.ts';
import { Queue } from './queue.ts';

/** A change of a set, with whom it concerns. */
export interface LoggedEvent {
  readonly revision: number;
  /** Identity of the endpoint, so that a later event about it can take the place of this one. */
  readonly key: string;
  readonly endpoint: Pick<Endpoint, 'instanceId' | 'incarnation'>;
  readonly event: EncodedEvent;
  /** Services of the endpoint before and after; empty when it was not there. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** What happened in one namespace, in order, as far back as the history goes. */
export interface EventLog {
  append(event: Omit<LoggedEvent, 'revision'>): void;
  /** Of the last event of the whole registry. */
  revision(): number;
  /** Of the last event of this log. */
  last(): number;
  /** Whether every event after `revision` is still known, and the revision is one of ours. */
  reaches(revision: number): boolean;
  /** The oldest events after `revision`, up to either bound. Only for revisions that it reaches. */
  since(revision: number, maxEvents: number, maxBytes: number): LoggedEvent[];
}

/** The histories of all namespaces: one count of revisions, and one bound for all of them together. */
export interface History {
  /** Of the last event; 1 before the first, since 0 asks for a snapshot. */
  revision(): number;
  /** An empty log: what happened before it was opened is not in it. */
  open(): EventLog;
  /** Gives its room back. */
  close(log: EventLog): void;
  size(): { readonly events: number; readonly bytes: number };
}

interface Kept {
  readonly event: LoggedEvent;
  readonly log: Log;
}

interface Log extends EventLog {
  readonly events: Queue<LoggedEvent>;
  /** Revision of the last event that was forgotten. */
  floor: number;
}

/** Small objects around the bytes of an event: counted, so that the bound is one of memory. */
const OVERHEAD_BYTES = 200;

/** An empty history that forgets its oldest events beyond either bound. */
export function createHistory({ maxEvents, maxBytes }: { maxEvents: number; maxBytes: number }): History {
  const kept = new Queue<Kept>();
  const closed = new WeakSet<EventLog>();
  let revision = 1;
  let bytes = 0;

  function forgetOldest(): void {
    const oldest = kept.shift();
    if (oldest === undefined) return;
    bytes -= costOf(oldest.event);
    if (closed.has(oldest.log)) return;
    oldest.log.events.shift();
    oldest.log.floor = oldest.event.revision;
  }

  function open(): EventLog {
    const events = new Queue<LoggedEvent>();
    const log: Log = {
      events,
      floor: revision,
      append(event) {
        const logged = { ...event, revision: ++revision };
        events.push(logged);
        kept.push({ event: logged, log });
        bytes += costOf(logged);
        while (kept.length > maxEvents || bytes > maxBytes) forgetOldest();
      },
      revision: () => revision,
      last: () => events.at(events.length - 1)?.revision ?? log.floor,
      reaches: (seen) => seen >= log.floor && seen <= revision,
      since(seen, maxEvents, maxBytes) {
        const found: LoggedEvent[] = [];
        let foundBytes = 0;
        for (let at = indexAfter(events, seen); at < events.length && found.length < maxEvents; at++) {
          const event = events.at(at) as LoggedEvent;
          foundBytes += event.event.length;
          if (foundBytes > maxBytes && found.length > 0) break;
          found.push(event);
        }
        return found;
      },
    };
    return log;
  }

  return {
    revision: () => revision,
    open,
    close: (log) => void closed.add(log),
    size: () => ({ events: kept.length, bytes }),
  };
}

function costOf({ event }: LoggedEvent): number {
  return event.length + OVERHEAD_BYTES;
}

/** Where the events after `revision` begin. */
function indexAfter(events: Queue<LoggedEvent>, revision: number): number {
  let low = 0;
  let high = events.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((events.at(middle) as LoggedEvent).revision > revision) high = middle;
    else low = middle + 1;
  }
  return low;
}
