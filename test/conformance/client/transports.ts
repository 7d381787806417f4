import type { Registry } from '@bufbuild/protobuf';
import {
  compressionBrotli,
  compressionGzip,
  compressionZstd,
  createNodeTransport,
  type NodeTransport,
  type Protocol as ProtocolName,
} from '@bascule/client';
import { Codec, Compression, HttpVersion, Protocol, type ClientCompatRequest } from '../messages.ts';

/** One transport for all calls that ask for the same, so that connections are shared as programs share them. */
export interface Transports {
  of(request: ClientCompatRequest): NodeTransport;
  close(): Promise<void>;
}

const COMPRESSIONS = new Map([
  [Compression.gzip as number, compressionGzip],
  [Compression.br as number, compressionBrotli],
  [Compression.zstd as number, compressionZstd],
]);

export function createTransports(registry: Registry): Transports {
  const transports = new Map<string, NodeTransport>();
  return {
    of(request) {
      const key = keyOf(request);
      let transport = transports.get(key);
      if (transport === undefined) {
        transport = create(request, registry);
        transports.set(key, transport);
      }
      return transport;
    },
    async close() {
      await Promise.all([...transports.values()].map((transport) => transport.close()));
    },
  };
}

function keyOf(request: ClientCompatRequest): string {
  const { host, port, protocol, httpVersion, codec, compression, messageReceiveLimit, useGetHttpMethod } = request;
  const certificates = [request.serverTlsCert, request.clientTlsCreds?.cert ?? []].map((bytes) => text(bytes));
  const numbers = [port, protocol, httpVersion, codec, compression, messageReceiveLimit];
  return JSON.stringify([host, numbers, useGetHttpMethod, certificates]);
}

function create(request: ClientCompatRequest, registry: Registry): NodeTransport {
  const { host, port, serverTlsCert, clientTlsCreds, messageReceiveLimit } = request;
  const compression = COMPRESSIONS.get(request.compression);
  if (compression === undefined && request.compression !== Compression.identity) {
    throw new Error(`compression ${request.compression} is not among ours`);
  }
  return createNodeTransport({
    baseUrl: `${serverTlsCert.length > 0 ? 'https' : 'http'}://${host}:${port}`,
    protocol: protocolOf(request),
    httpVersion: request.httpVersion === HttpVersion.one ? '1.1' : '2',
    useBinaryFormat: request.codec !== Codec.json,
    jsonOptions: { registry },
    useHttpGet: request.useGetHttpMethod,
    // The suite's messages are small, and it looks whether they come compressed.
    compressMinBytes: 0,
    sendCompression: compression ?? null,
    acceptCompression: compression === undefined ? [] : [compression],
    ...(messageReceiveLimit > 0 && { readMaxBytes: messageReceiveLimit }),
    ...(serverTlsCert.length > 0 && {
      tls: {
        ca: text(serverTlsCert),
        ...(clientTlsCreds !== undefined && { cert: text(clientTlsCreds.cert), key: text(clientTlsCreds.key) }),
      },
    }),
  });
}

function protocolOf({ protocol }: ClientCompatRequest): ProtocolName {
  if (protocol === Protocol.grpc) return 'grpc';
  return protocol === Protocol.grpcWeb ? 'grpc-web' : 'connect';
}

function text(bytes: Uint8Array | readonly number[]): string {
  return Buffer.from(bytes).toString('utf8');
}
