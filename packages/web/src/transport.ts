import { systemClock, type Clock } from '@bascule/core';
import type { JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import type { ConnectError, Interceptor, StreamResponse, Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { toCallFact, type CallFact } from './call-fact.ts';
import { toConnectError } from './failure.ts';

export interface BasculeTransportOptions {
  /** Where the gateway is, as in `https://api.example.com`. Default: the origin of the page. */
  readonly baseUrl?: string;
  /**
   * How calls are said on the wire. `grpc-web` (the default) and `connect` can do the same: unary calls and server
   * streams. `connect` reads well in a browser's network panel.
   */
  readonly protocol?: 'grpc-web' | 'connect';
  /** Whether messages are binary, or JSON. Default: binary over gRPC-Web, JSON over Connect. */
  readonly useBinaryFormat?: boolean;
  /** How JSON is read and written, such as a `registry` for messages inside of `google.protobuf.Any`. */
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  /**
   * Deadline of unary calls that bring no `timeoutMs` of their own, in milliseconds; the gateway and the handler hear
   * of it too. Default 15,000; 0 is none. Streams have none unless asked for, since many are meant to stay.
   */
  readonly defaultTimeoutMs?: number;
  /** Around every call, outermost first. */
  readonly interceptors?: readonly Interceptor[];
  /** In place of the browser's, for instance to send cookies to another origin. */
  readonly fetch?: typeof globalThis.fetch;
  /** Hears of every call that has ended. What it throws is reported as an uncaught error and hurts no call. */
  readonly onCall?: (fact: CallFact) => void;
  /** Default: real time. */
  readonly clock?: Pick<Clock, 'nowMs'>;
}

/**
 * The way from a page to a Bascule gateway, for the clients that Connect makes from generated code:
 *
 *     const places = createClient(PlacesService, createBasculeTransport());
 *
 * An unreachable gateway is `unavailable`, whatever words the browser has for it. A stream lives until it ends or the
 * `signal` given with the call is aborted; leaving its loop alone leaves the call open, and one of the six connections
 * that a browser has per origin with HTTP/1.1 taken.
 */
export function createBasculeTransport(options: BasculeTransportOptions = {}): Transport {
  const { defaultTimeoutMs = 15_000 } = options;
  const inner = createInnerTransport(options);
  const watch = createWatcher(options);
  return {
    async unary(method, signal, timeoutMs, ...rest) {
      const end = watch(method.parent.typeName, method.name);
      try {
        const response = await inner.unary(method, signal, timeoutMs ?? defaultTimeoutMs, ...rest);
        end(undefined, [response.header, response.trailer]);
        return response;
      } catch (reason) {
        throw end(toConnectError(reason));
      }
    },
    async stream(method, ...rest) {
      const end = watch(method.parent.typeName, method.name);
      try {
        const response = await inner.stream(method, ...rest);
        return { ...response, message: watchMessages(response, end) };
      } catch (reason) {
        throw end(toConnectError(reason));
      }
    },
  };
}

/** Says how a call ended, and gives the error back for throwing. */
type End = <E extends ConnectError | undefined>(error: E, fields?: readonly Headers[]) => E;

function createWatcher({
  onCall,
  clock = systemClock,
}: BasculeTransportOptions): (service: string, method: string) => End {
  return (service, method) => {
    const startMs = clock.nowMs();
    return (error, fields = []) => {
      const call = { service, method, durationMs: clock.nowMs() - startMs };
      try {
        onCall?.(toCallFact(call, error, error === undefined ? fields : [error.metadata, ...fields]));
      } catch (reason) {
        // Uncaught, as from any event handler, and no harm to the call.
        queueMicrotask(() => {
          throw reason;
        });
      }
      return error;
    };
  };
}

async function* watchMessages<R extends StreamResponse>(response: R, end: End): R['message'] {
  const fields = [response.header, response.trailer];
  try {
    yield* response.message;
  } catch (reason) {
    throw end(toConnectError(reason), fields);
  }
  end(undefined, fields);
}

function createInnerTransport(options: BasculeTransportOptions): Transport {
  const inner = {
    baseUrl: options.baseUrl ?? toPageOrigin(),
    interceptors: [...(options.interceptors ?? [])],
    ...(options.useBinaryFormat === undefined ? {} : { useBinaryFormat: options.useBinaryFormat }),
    ...(options.jsonOptions === undefined ? {} : { jsonOptions: options.jsonOptions }),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  };
  return options.protocol === 'connect' ? createConnectTransport(inner) : createGrpcWebTransport(inner);
}

function toPageOrigin(): string {
  const { location } = globalThis as { location?: { origin: string } };
  if (location === undefined)
    throw new TypeError('baseUrl is missing: outside of a page there is no origin to fall back on');
  return location.origin;
}
