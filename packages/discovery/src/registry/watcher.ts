import type { Clock } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import {
  EventSchema,
  RemovalCause,
  WatchResponseSchema,
  type Endpoint,
  type Event,
  type WatchRequest,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { EventLog, LoggedEvent } from './event-log.ts';

/** An idle watch sends an empty message this often, so that its caller tells a quiet registry from a dead one. */
export const HEARTBEAT_MS = 5_000;

/** Changes kept for a reader that does not keep up; beyond them it gets a snapshot instead. */
const MAX_PENDING_EVENTS = 10_000;

type Pending = { type: 'events'; events: Map<string, Event> } | { type: 'overflow' };

interface WatchOptions {
  log: EventLog;
  clock: Clock;
  request: WatchRequest;
  endpoints: () => Endpoint[];
  /** Ends the watch. */
  signal: AbortSignal;
}

/**
 * A snapshot or what was missed, then changes as they come. Pulled: what happens while nobody pulls is put together,
 * the latest word on an endpoint in the place of earlier ones.
 */
export async function* watch(options: WatchOptions): AsyncGenerator<WatchResponse> {
  const { log, clock, request, signal } = options;
  const concerns = createFilter(request.services);
  let pending: Pending = { type: 'events', events: new Map() };
  let waiting = Promise.withResolvers<void>();
  const wake = (): void => waiting.resolve();

  function add(logged: LoggedEvent): void {
    const event = eventFor(logged, concerns);
    if (event === undefined || pending.type === 'overflow') return;
    pending.events.set(logged.key, event);
    if (pending.events.size > MAX_PENDING_EVENTS) pending = { type: 'overflow' };
    wake();
  }

  function take(): WatchResponse {
    const isSnapshot = pending.type === 'overflow';
    const events =
      pending.type === 'overflow'
        ? options
            .endpoints()
            .filter((endpoint) => concerns(endpoint.services))
            .map(putEvent)
        : [...pending.events.values()];
    pending = { type: 'events', events: new Map() };
    return create(WatchResponseSchema, {
      epoch: log.epoch,
      revision: log.revision(),
      snapshot: isSnapshot,
      events,
    });
  }

  const missed = request.revision === 0n ? undefined : log.since(request.epoch, request.revision);
  if (missed === undefined) pending = { type: 'overflow' };
  else missed.forEach(add);
  const unsubscribe = log.subscribe(add);
  signal.addEventListener('abort', wake);
  try {
    while (!signal.aborted) {
      yield take();
      waiting = Promise.withResolvers<void>();
      if (signal.aborted) return;
      if (pending.type === 'events' && pending.events.size === 0) {
        const heartbeat = clock.after(HEARTBEAT_MS, wake);
        await waiting.promise;
        heartbeat.cancel();
      }
    }
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}

/** Whether services of an endpoint are of interest; no names are interest in all. */
export function createFilter(services: readonly string[]): (names: readonly string[]) => boolean {
  const wanted = new Set(services);
  return wanted.size === 0 ? (names) => names.length > 0 : (names) => names.some((name) => wanted.has(name));
}

/** An update by which an endpoint leaves a service is a removal to who watches that service only. */
function eventFor(logged: LoggedEvent, concerns: (names: readonly string[]) => boolean): Event | undefined {
  if (concerns(logged.after)) return logged.event;
  if (!concerns(logged.before)) return undefined;
  const put = logged.event.event;
  if (put.case !== 'put') return logged.event;
  const { instanceId, incarnation } = put.value;
  const removal = { instanceId, incarnation, cause: RemovalCause.DEREGISTERED };
  return create(EventSchema, { event: { case: 'removal', value: removal } });
}

/** Somebody is there, or says something new of itself. */
export function putEvent(endpoint: Endpoint): Event {
  return create(EventSchema, { event: { case: 'put', value: endpoint } });
}
