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

/** A way to a server. */
export interface Way {
  readonly link: Link;
  /** Speaks the inner dialect to us and the protocol of the options to the server. */
  readonly service: Service;
}

export function createWay(options: NodeTransportOptions, target: Target, clock: Clock): Way {
  const { host, port, scheme } = target;
  const tls = scheme === 'https' ? (options.tls ?? {}) : undefined;
  const dial = { host, port, clock, ...(tls !== undefined && { tls }) };
  const link =
    options.httpVersion === '1.1' ? createHttp1Link(dial) : createHttp2Link({ ...dial, holdsProcess: false });
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

/** Throws ConnectError for what does not go together. */
export function checkWay({ protocol = 'grpc', httpVersion = '2' }: NodeTransportOptions): void {
  if (protocol !== 'grpc' || httpVersion === '2') return;
  throw new ConnectError('gRPC needs HTTP/2; leave out httpVersion, or choose grpc-web or connect', Code.Internal);
}
