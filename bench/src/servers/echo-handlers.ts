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

/** The trivial handlers that each server in JavaScript runs. */
export interface EchoHandlers {
  readonly echo: (request: StringValue) => StringValue;
  readonly repeat: (request: StringValue) => Generator<StringValue>;
}

export function createEchoHandlers(counts: SharedCounts): EchoHandlers {
  return {
    echo(request) {
      counts[0] = (counts[0] ?? 0) + 1;
      return create(StringValueSchema, { value: request.value });
    },
    /** The request's text is "CALLID COUNT CHARACTERS end ....". */
    *repeat(request) {
      const [callId = '', count, characters] = request.value.split(' ');
      const filler = '.'.repeat(Math.max(0, Number(characters) - callId.length - 8));
      for (let number = 1; number <= Number(count); number++) {
        const sequence = number.toString(16).padStart(8, '0');
        yield create(StringValueSchema, { value: callId + sequence + filler });
        counts[1] = (counts[1] ?? 0) + 1;
      }
      counts[0] = (counts[0] ?? 0) + 1;
    },
  };
}

/** The handlers as Connect's route function. */
export function createEchoRoutes(counts: SharedCounts): (router: ConnectRouter) => void {
  const { echo, repeat } = createEchoHandlers(counts);
  return (router) =>
    void router.service(EchoService, {
      echo,
      async *repeat(request) {
        yield* repeat(request);
      },
    });
}
