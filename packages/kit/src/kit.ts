import { systemClock, type Clock, type Service } from '@bascule/core';
import { digestOf, schemaOf } from '@bascule/schema';
import { createConnectRouter, type ConnectRouter, type Interceptor } from '@connectrpc/connect';
import { compressionBrotli, compressionGzip } from '@connectrpc/connect-node';
import { runHandler } from './handler-call.ts';
import { answerUnknownPath } from './unknown-path.ts';

export interface KitOptions {
  /** Registers services, as for connect-node: the same function serves in both. */
  routes(router: ConnectRouter): void;
  /** Around every call of every service, outermost first. Default none. */
  interceptors?: Interceptor[];
  /** Largest request message, after decompression. Default 4 MiB; above it the call ends with `resource_exhausted`. */
  maxMessageBytes?: number;
  /** Reads the remaining time of `head.call.deadlineMs`. Default real time. */
  clock?: Clock;
}

/** Handlers as a Service: under a listener, behind a message port, or called in process. */
export interface Kit {
  /** Answers gRPC, gRPC-Web and Connect over HTTP-shaped heads; the inner dialect is gRPC's. */
  readonly service: Service;
  /** Fully qualified names, in the order of registration. */
  readonly services: string[];
  /** Descriptors of all services as a serialized google.protobuf.FileDescriptorSet. */
  readonly schema: Uint8Array;
  /** `sha256:<hex>` of `schema`. */
  readonly schemaDigest: string;
}

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

/** Makes a Service of Connect route functions. */
export function createKit(options: KitOptions): Kit {
  const clock = options.clock ?? systemClock;
  const router = createConnectRouter({
    interceptors: options.interceptors ?? [],
    readMaxBytes: options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    acceptCompression: [compressionGzip, compressionBrotli],
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const services = [...new Set(router.handlers.map((handler) => handler.service))];
  const schema = schemaOf(services);
  return {
    service(head, reply) {
      const queryAt = head.path.indexOf('?');
      const handler = handlers.get(queryAt < 0 ? head.path : head.path.slice(0, queryAt));
      return handler === undefined ? answerUnknownPath(head, reply) : runHandler(handler, head, reply, clock);
    },
    services: services.map((service) => service.typeName),
    schema,
    schemaDigest: digestOf(schema),
  };
}
