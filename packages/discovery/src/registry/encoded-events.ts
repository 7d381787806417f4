import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import {
  EventSchema,
  WatchResponseSchema,
  type Endpoint,
  type RemovalCause,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';

/**
 * An event as it stands in a WatchResponse: its bytes, with their length before them. An event goes to every watcher,
 * so it is encoded when it happens; for each of them its bytes are only copied, which takes a tenth of the time.
 */
export type EncodedEvent = Uint8Array;

/** Number of WatchResponse.events. */
const EVENTS = WatchResponseSchema.field.events.number;

/** Somebody is there, or says something new of itself. */
export function encodePut(endpoint: Endpoint): EncodedEvent {
  return withLength(toBinary(EventSchema, create(EventSchema, { event: { case: 'put', value: endpoint } })));
}

/** Somebody has left. */
export function encodeRemoval(
  { instanceId, incarnation }: Pick<Endpoint, 'instanceId' | 'incarnation'>,
  cause: RemovalCause,
): EncodedEvent {
  const event = create(EventSchema, { event: { case: 'removal', value: { instanceId, incarnation, cause } } });
  return withLength(toBinary(EventSchema, event));
}

function withLength(bytes: Uint8Array): EncodedEvent {
  return new BinaryWriter().bytes(bytes).finish();
}

/**
 * A response of events that are encoded already. They are put where a message keeps fields that it does not know, since
 * these are written as they are. `readable` makes messages of them, for callers who read JSON.
 */
export function toWatchResponse(
  head: { readonly epoch: bigint; readonly revision: number; readonly snapshot: boolean; readonly more: boolean },
  events: readonly EncodedEvent[],
  readable: boolean,
): WatchResponse {
  const response = create(WatchResponseSchema, { ...head, revision: BigInt(head.revision) });
  if (events.length > 0) {
    response.$unknown = events.map((data) => ({ no: EVENTS, wireType: WireType.LengthDelimited, data }));
  }
  return readable ? fromBinary(WatchResponseSchema, toBinary(WatchResponseSchema, response)) : response;
}
