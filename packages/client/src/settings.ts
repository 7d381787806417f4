import { systemClock, type CallPolicy, type Clock, type MethodFacts } from '@bascule/core';
import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { ServiceConfig } from '@bascule/layers';
import type { Compression } from '@connectrpc/connect/protocol';
import { compressionBrotli, compressionGzip, compressionZstd } from './compression.ts';
import { createPolicyOf } from './call-policies.ts';
import { checkCallPolicy, checkOptions } from './check-options.ts';
import type { NodeTransportOptions } from './options.ts';
import { readServiceConfig } from './service-config.ts';
import { ANY_ENDPOINT } from './target.ts';

/** Options with their defaults, as far as calls read them. */
export interface TransportSettings {
  readonly baseUrl: string;
  readonly useBinaryFormat: boolean;
  readonly interceptors: readonly Interceptor[];
  readonly sendCompression: Compression | null;
  readonly acceptCompression: readonly Compression[];
  readonly compressMinBytes: number;
  readonly readMaxBytes: number;
  readonly writeMaxBytes: number;
  readonly defaultTimeoutMs: number | undefined;
  readonly inheritDeadline: boolean;
  /** How calls of a method are treated. */
  policyOf(method: MethodFacts): CallPolicy;
  readonly serviceConfig: ServiceConfig | undefined;
  readonly connectWaitMs: number;
  readonly jsonOptions: NodeTransportOptions['jsonOptions'];
  readonly binaryOptions: NodeTransportOptions['binaryOptions'];
  readonly clock: Clock;
}

const MAX_MESSAGE_BYTES = 0xffff_ffff;

/** Fills in defaults. Throws ConnectError when an option is out of its range. */
export function toSettings(options: NodeTransportOptions): TransportSettings {
  checkOptions(options);
  const serviceConfig = readServiceConfig(options);
  const policyOf = createPolicyOf(options, serviceConfig);
  return {
    baseUrl: baseUrlOf(options),
    useBinaryFormat: options.useBinaryFormat ?? true,
    interceptors: options.interceptors ?? [],
    sendCompression: options.sendCompression ?? null,
    acceptCompression: options.acceptCompression ?? [compressionGzip, compressionBrotli, compressionZstd],
    compressMinBytes: inRange('compressMinBytes', options.compressMinBytes ?? 1024, 0),
    readMaxBytes: inRange('readMaxBytes', options.readMaxBytes ?? 4 * 1024 * 1024, 1),
    writeMaxBytes: inRange('writeMaxBytes', options.writeMaxBytes ?? MAX_MESSAGE_BYTES, 1),
    defaultTimeoutMs: options.defaultTimeoutMs,
    inheritDeadline: options.inheritDeadline ?? true,
    policyOf: (method) => checkCallPolicy(policyOf(method)),
    serviceConfig,
    connectWaitMs: options.connectWaitMs ?? 1000,
    jsonOptions: options.jsonOptions,
    binaryOptions: options.binaryOptions,
    clock: options.clock ?? systemClock,
  };
}

function baseUrlOf({ baseUrl, discovery }: NodeTransportOptions): string {
  if (discovery !== undefined && !(discovery.sources?.length > 0)) {
    throw new ConnectError('discovery has no sources: name one, like dns://places.internal:8080', Code.Internal);
  }
  if (baseUrl !== undefined) return baseUrl;
  if (discovery !== undefined) return ANY_ENDPOINT;
  throw new ConnectError('there is nowhere to call: give baseUrl, or discovery with its sources', Code.Internal);
}

function inRange(name: string, value: number, min: number): number {
  if (value >= min && value <= MAX_MESSAGE_BYTES) return value;
  throw new ConnectError(`${name} is ${value}; it must be ${min} to ${MAX_MESSAGE_BYTES}`, Code.Internal);
}
