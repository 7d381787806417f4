import type { Clock, Link, Service } from '@bascule/core';
import {
  createConnectUpstream,
  createGrpcUpstream,
  createGrpcWebUpstream,
  createHttp1Link,
  createHttp2Link,
} from '@bascule/wire';
import { Code, ConnectError } from '@connectrpc/connect';
import type { NodeTransportOptions } from './options.ts';
import type { Target } from './target.ts';

/** More often is taken for a flood. Checked here, since links are opened by calls. */
const MIN_KEEPALIVE_MS = 10_000;

/**
 * A program's own calls wait for their turn for as long as their deadlines let them; those of a gateway come from
 * strangers, so that its links refuse far fewer.
 */
const LIMITS = { maxQueuedCalls: 1_000_000 };

/** A way to a server. */
export interface Way {
  readonly link: Link;
  /** Speaks the inner dialect to us and the protocol of the options to the server. */
  readonly service: Service;
}

export function createWay(options: NodeTransportOptions, target: Target, clock: Clock): Way {
  const { host, port, scheme } = target;
  const tls = scheme === 'https' ? (options.tls ?? {}) : undefined;
  const dial = { host, port, clock, limits: LIMITS, ...(tls !== undefined && { tls }) };
  const link =
    options.httpVersion === '1.1'
      ? createHttp1Link(dial)
      : createHttp2Link({ ...dial, holdsProcess: false, keepaliveMs: options.keepaliveMs ?? 0 });
  return { link, service: createUpstream(options, link.service) };
}

function createUpstream(options: NodeTransportOptions, service: Service): Service {
  const { protocol = 'grpc', useHttpGet = false, readMaxBytes } = options;
  if (protocol === 'grpc') return createGrpcUpstream(service);
  if (protocol === 'grpc-web') return createGrpcWebUpstream(service);
  return createConnectUpstream(service, {
    get: () => useHttpGet,
    ...(readMaxBytes !== undefined && { maxMessageBytes: readMaxBytes }),
  });
}

const PROTOCOLS: ReadonlySet<string> = new Set(['grpc', 'grpc-web', 'connect']);

/** Throws ConnectError for what does not go together. */
export function checkWay({ protocol = 'grpc', httpVersion = '2', keepaliveMs = 0 }: NodeTransportOptions): void {
  if (!PROTOCOLS.has(protocol)) {
    throw new ConnectError(`protocol is ${JSON.stringify(protocol)}; give grpc, grpc-web or connect`, Code.Internal);
  }
  if (protocol === 'grpc' && httpVersion !== '2') {
    throw new ConnectError('gRPC needs HTTP/2; leave out httpVersion, or choose grpc-web or connect', Code.Internal);
  }
  if (keepaliveMs !== 0 && !(keepaliveMs >= MIN_KEEPALIVE_MS)) {
    const message = `keepaliveMs is ${keepaliveMs}; give 0 (off) or at least ${MIN_KEEPALIVE_MS}`;
    throw new ConnectError(message, Code.Internal);
  }
}
