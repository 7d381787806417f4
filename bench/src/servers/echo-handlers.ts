import { create } from '@bufbuild/protobuf';
import { StringValueSchema, type StringValue } from '@bufbuild/protobuf/wkt';
import type { ConnectRouter } from '@connectrpc/connect';
import type { Counts } from '../backends/go-backend.ts';
import { EchoService } from './echo-schema.ts';

/** What handlers count, in memory that two threads can share: calls, then messages. */
export type SharedCounts = Uint32Array<SharedArrayBuffer>;

export function createSharedCounts(): SharedCounts {
  return new Uint32Array(new SharedArrayBuffer(8));
}

export function toCounts(counts: SharedCounts): Counts {
  return { calls: counts[0] ?? 0, messages: counts[1] ?? 0, held: 0 };
}

export function countCall(counts: SharedCounts): void {
  counts[0] = (counts[0] ?? 0) + 1;
}

export function countMessage(counts: SharedCounts): void {
  counts[1] = (counts[1] ?? 0) + 1;
}

/** The unary handler of every server in JavaScript. */
export function echo(request: StringValue): StringValue {
  return create(StringValueSchema, { value: request.value });
}

/** What a request for a stream asks: "CALLID COUNT CHARACTERS end ....". */
export interface Order {
  readonly callId: string;
  readonly messages: number;
  readonly filler: string;
}

export function parseOrder({ value }: StringValue): Order {
  const [callId = '', count, characters] = value.split(' ');
  return { callId, messages: Number(count), filler: '.'.repeat(Math.max(0, Number(characters) - callId.length - 8)) };
}

/** A message of the stream, by its number from 1. */
export function toMessage({ callId, filler }: Order, number: number): StringValue {
  const sequence = number.toString(16).padStart(8, '0');
  return create(StringValueSchema, { value: callId + sequence + filler });
}

/** The handlers as Connect's route function, written as people write them. */
export function createEchoRoutes(counts: SharedCounts): (router: ConnectRouter) => void {
  return (router) =>
    void router.service(EchoService, {
      echo(request) {
        countCall(counts);
        return echo(request);
      },
      async *repeat(request) {
        const order = parseOrder(request);
        for (let number = 1; number <= order.messages; number++) {
          yield toMessage(order, number);
          countMessage(counts);
        }
        countCall(counts);
      },
    });
}
