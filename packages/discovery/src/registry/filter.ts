import { RemovalCause } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { encodeRemoval, type EncodedEvent } from './encoded-events.ts';
import type { LoggedEvent } from './history.ts';

/** Whether services of an endpoint concern somebody. Undefined: all do. */
export type Filter = ((services: readonly string[]) => boolean) | undefined;

/** `wanted`: services of interest, none for all. `mayRead`: which of them may be seen, undefined for all. */
export function createFilter(wanted: readonly string[], mayRead: ((service: string) => boolean) | undefined): Filter {
  if (wanted.length > 0) {
    const names = new Set(wanted);
    return (services) => services.some((service) => names.has(service));
  }
  return mayRead && ((services) => services.some(mayRead));
}

/** What of the events is to be told. */
export function selectEvents(events: readonly LoggedEvent[], filter: Filter): EncodedEvent[] {
  return events.flatMap((logged) => selectEvent(logged, filter) ?? []);
}

function selectEvent({ endpoint, event, before, after }: LoggedEvent, filter: Filter): EncodedEvent | undefined {
  const concerns = filter ?? hasAny;
  if (concerns(after)) return event;
  // Neither before nor after: it came and went while nobody looked.
  if (!concerns(before)) return undefined;
  // By an update it left the services that are looked at: to who looks it is gone.
  return after.length === 0 ? event : encodeRemoval(endpoint, RemovalCause.DEREGISTERED);
}

function hasAny(services: readonly string[]): boolean {
  return services.length > 0;
}
