import { systemClock, type Clock, type Layer, type RequestHead, type Service } from '@bascule/core';
import { digestOf, schemaOf } from '@bascule/schema';
import type { DescMethod } from '@bufbuild/protobuf';
import {
  createContextValues,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ContextValues,
} from '@connectrpc/connect';
import { installAmbientCalls } from './call/ambient.ts';
import { Deadlines } from './deadlines.ts';
import { createInnerService } from './inner-service.ts';
import { createIntrospection } from './introspection/introspection.ts';
import { createOuterService } from './outer-service.ts';
import { collectRoutes } from './router.ts';
import { createTreatedService } from './treated-service.ts';

/**
 * What connectNodeAdapter takes, where it means something here: interceptors, request gate, limits, codec options,
 * protocols, compressions (default gzip, br and zstd), shutdown signal. Each holds for all services unless a service is
 * registered with its own.
 */
export interface KitOptions extends Omit<ConnectRouterOptions, 'readMaxBytes'> {
  /** Registers services, as for connect-node: the same function serves in both. */
  routes(router: ConnectRouter): void;
  /** Largest request message, also after decompression. Default 4 MiB; above it the call ends with `resource_exhausted`. */
  maxMessageBytes?: number;
  /**
   * Objects that one request message may hold: messages, texts, unknown fields. Default 100,000; above it the call ends
   * with `resource_exhausted` before anything is decoded. Four MiB can hold two million, which stall a server.
   */
  maxMessageObjects?: number;
  /** Stands before the path of every method, as in `/api`. Default none. */
  requestPathPrefix?: string;
  /** Values that interceptors and handlers of a call find in their context. Default none. */
  contextValues?(head: RequestHead): ContextValues;
  /**
   * Serves `grpc.health.v1` and `grpc.reflection` v1 and v1alpha beside the routes, inside the same interceptors. Default
   * false: reflection tells everybody who reaches the port what can be called, so leave it off where the public does.
   */
  introspection?: boolean;
  /**
   * What stands between the dialects and the handlers of a method; asked once for each, those of introspection too.
   * Undefined is nothing, and costs nothing. Default none.
   */
  layerOf?(method: DescMethod): Layer | undefined;
  /** Reads the remaining time of `head.call.deadlineMs`. Default real time. */
  clock?: Clock;
}

/** Handlers as a Service: under a listener, behind a message port, or called in process. */
export interface Kit {
  /** Answers gRPC, gRPC-Web and Connect over HTTP-shaped heads. */
  readonly service: Service;
  /** Answers the inner dialect alone, for callers who have translated already, as a gateway for its module workers. */
  readonly inner: Service;
  /** Fully qualified names of what `routes` registered, in order; what introspection adds is not among them. */
  readonly services: string[];
  /** Descriptors of these services as a serialized google.protobuf.FileDescriptorSet. */
  readonly schema: Uint8Array;
  /** `sha256:<hex>` of `schema`. */
  readonly schemaDigest: string;
  /** Tells who asks for health that the server is about to go: NOT_SERVING from now on. */
  drain(): void;
  /** Ends the open watches of health, which would hold up the end of a server that waits for its calls. */
  endWatches(): void;
}

const DEFAULT_MAX_MESSAGE_BYTES = 4 * 1024 * 1024;
const DEFAULT_MAX_MESSAGE_OBJECTS = 100_000;

/** Makes Services of Connect route functions. */
export function createKit(options: KitOptions): Kit {
  const clock = options.clock ?? systemClock;
  installAmbientCalls();
  const defaults = {
    ...options,
    readMaxBytes: options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES,
    maxMessageObjects: options.maxMessageObjects ?? DEFAULT_MAX_MESSAGE_OBJECTS,
  };
  const registered = collectRoutes((router) => options.routes(router), defaults);
  const added = options.introspection === true ? createIntrospection(registered.services) : undefined;
  const more = added && collectRoutes((router) => added.routes(router), defaults);
  const methods = new Map([...(more?.methods ?? []), ...registered.methods]);
  const handlers = createInnerService(methods, {
    clock,
    deadlines: new Deadlines(clock),
    contextValues: (head) => options.contextValues?.(head) ?? createContextValues(),
  });
  const inner = createTreatedService(handlers, methods, (method) => options.layerOf?.(method));
  const schema = schemaOf(registered.services);
  return {
    service: createOuterService({ methods, inner, clock, pathPrefix: options.requestPathPrefix ?? '' }),
    inner,
    services: registered.services.map((service) => service.typeName),
    schema,
    schemaDigest: digestOf(schema),
    drain: () => added?.health.drain(),
    endWatches: () => added?.health.endWatches(),
  };
}
