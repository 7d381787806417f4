import type { CallContext, Clock, DialectName, RequestHead } from '@bascule/core';
import type { DescMethod } from '@bufbuild/protobuf';
import type { ConnectRouterOptions, ContextValues, Interceptor, MethodImplSpec } from '@connectrpc/connect';
import type { Encodings } from './codec/encodings.ts';
import type { MessageCodec } from './codec/message-codec.ts';
import type { Deadlines } from './deadlines.ts';

/** What a handler is told that its caller speaks. */
export type ProtocolName = 'grpc' | 'grpc-web' | 'connect';

/** Everything about a method that does not change from call to call. */
export interface Method {
  readonly desc: DescMethod;
  readonly spec: MethodImplSpec;
  readonly proto: MessageCodec;
  readonly json: MessageCodec;
  readonly encodings: Encodings;
  readonly interceptors: readonly Interceptor[];
  readonly requestGate: ConnectRouterOptions['requestGate'];
  readonly shutdownSignal: AbortSignal | undefined;
  readonly readMaxBytes: number;
  readonly compressMinBytes: number;
  /** Infinity without a limit. */
  readonly maxTimeoutMs: number;
  readonly requireConnectProtocolHeader: boolean;
  /** Protocols that callers may speak. */
  readonly protocols: ReadonlySet<ProtocolName>;
}

/** What all calls of a kit share. */
export interface KitParts {
  readonly clock: Clock;
  readonly deadlines: Deadlines;
  contextValues(head: RequestHead): ContextValues;
}

/** The protocol of a call. Who calls in the inner dialect itself speaks gRPC. */
export function protocolOf({ dialect }: CallContext): ProtocolName {
  return PROTOCOL_OF[dialect];
}

const PROTOCOL_OF: Readonly<Record<DialectName, ProtocolName>> = {
  grpc: 'grpc',
  'grpc-web': 'grpc-web',
  'grpc-web-text': 'grpc-web',
  connect: 'connect',
  'connect-stream': 'connect',
  websocket: 'grpc',
  http: 'grpc',
};
