import { Code, ConnectError, type ConnectRouterOptions, type MethodImplSpec } from '@connectrpc/connect';
import { DEFAULT_COMPRESSIONS } from './codec/compression.ts';
import { Encodings } from './codec/encodings.ts';
import { createBinaryCodec, createJsonCodec } from './codec/message-codec.ts';
import type { Method, ProtocolName } from './method.ts';

/** What holds for a method unless its registration says otherwise. */
export interface MethodDefaults extends ConnectRouterOptions {
  readonly maxMessageObjects: number;
}

/** As large as a message can be: its length has 32 bits. */
const MAX_MESSAGE_BYTES = 0xffff_ffff;
/** Smaller ones do not get enough smaller to be worth the work. */
const DEFAULT_COMPRESS_MIN_BYTES = 1_024;

/** Prepares a method. Throws where its options make no sense, with connect-node's words. */
export function createMethod(spec: MethodImplSpec, options: MethodDefaults): Method {
  const readMaxBytes = toLimit('readMaxBytes', options.readMaxBytes);
  const writeMaxBytes = toLimit('writeMaxBytes', options.writeMaxBytes);
  const { maxMessageObjects, binaryOptions, jsonOptions } = options;
  const codecOptions = { readMaxBytes, writeMaxBytes, maxMessageObjects, binaryOptions, jsonOptions };
  return {
    desc: spec.method,
    spec,
    proto: createBinaryCodec(spec.method, codecOptions),
    json: createJsonCodec(spec.method, codecOptions),
    encodings: new Encodings(options.acceptCompression ?? DEFAULT_COMPRESSIONS),
    interceptors: options.interceptors ?? [],
    requestGate: options.requestGate,
    shutdownSignal: options.shutdownSignal,
    readMaxBytes,
    compressMinBytes: options.compressMinBytes ?? DEFAULT_COMPRESS_MIN_BYTES,
    maxTimeoutMs: options.maxTimeoutMs ?? Number.POSITIVE_INFINITY,
    requireConnectProtocolHeader: options.requireConnectProtocolHeader ?? false,
    protocols: toProtocols(options),
  };
}

function toLimit(name: string, bytes = MAX_MESSAGE_BYTES): number {
  if (bytes >= 1 && bytes <= MAX_MESSAGE_BYTES) return bytes;
  throw new ConnectError(`${name} ${bytes} must be >= 1 and <= ${MAX_MESSAGE_BYTES}`, Code.Internal);
}

function toProtocols({ grpc, grpcWeb, connect }: ConnectRouterOptions): ReadonlySet<ProtocolName> {
  const protocols = new Set<ProtocolName>();
  if (grpc !== false) protocols.add('grpc');
  if (grpcWeb !== false) protocols.add('grpc-web');
  if (connect !== false) protocols.add('connect');
  if (protocols.size > 0) return protocols;
  throw new ConnectError('cannot create handler, all protocols are disabled', Code.InvalidArgument);
}
