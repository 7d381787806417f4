import type { Clock, Service } from '@bascule/core';
import type { LinkTls } from '@bascule/wire';
import type { BinaryReadOptions, BinaryWriteOptions, JsonReadOptions, JsonWriteOptions } from '@bufbuild/protobuf';
import type { Interceptor, Transport } from '@connectrpc/connect';
import type { Compression } from '@connectrpc/connect/protocol';

/** Which RPC protocol goes over the wire. */
export type Protocol = 'grpc' | 'grpc-web' | 'connect';

export interface NodeTransportOptions {
  /**
   * Where calls go, with a path in front of theirs if need be: `http://127.0.0.1:8080` or `https://example.com/api`.
   * `http` with HTTP/2 is prior knowledge (h2c).
   */
  readonly baseUrl: string;
  /** Default `grpc`. */
  readonly protocol?: Protocol;
  /** Default `2`. gRPC needs 2; over 1.1 both directions of a bidi stream do not run at once. */
  readonly httpVersion?: '2' | '1.1';
  /** Messages as binary protobuf; false writes JSON. Default true. */
  readonly useBinaryFormat?: boolean;
  /** Around every call, outermost first. Default none. */
  readonly interceptors?: readonly Interceptor[];
  /** For `https`: what to trust and what to show, as `node:tls` takes it. Default Node's authorities, no certificate. */
  readonly tls?: LinkTls;
  /** Compresses requests of at least `compressMinBytes`. Default null: none. */
  readonly sendCompression?: Compression | null;
  /** What servers may compress with, in order of preference. Default gzip, br, zstd. */
  readonly acceptCompression?: readonly Compression[];
  /** Smallest message worth compressing, in bytes. Default 1,024. */
  readonly compressMinBytes?: number;
  /** Largest response message, compressed and decompressed, in bytes. Beyond: `resource_exhausted`. Default 4 MiB. */
  readonly readMaxBytes?: number;
  /** Largest request message in bytes. Beyond: `resource_exhausted`. Default 2^32-1. */
  readonly writeMaxBytes?: number;
  readonly jsonOptions?: Partial<JsonReadOptions & JsonWriteOptions>;
  readonly binaryOptions?: Partial<BinaryReadOptions & BinaryWriteOptions>;
  /** Deadline of calls that state none, in ms. A call's own timeout of 0 or less means none. Default none. */
  readonly defaultTimeoutMs?: number;
  /** Connect only: methods without side effects go as GET. Default false. */
  readonly useHttpGet?: boolean;
  /**
   * How long a call waits for a server that cannot be reached or refuses it unseen, in ms; never beyond its deadline.
   * 0 fails such calls after the repeats that need no wait. Default 1,000.
   */
  readonly connectWaitMs?: number;
  /** Connections without a call close after this long, in ms; the next call opens one anew. Default 900,000 (15 min). */
  readonly idleTimeoutMs?: number;
  /**
   * HTTP/2 only: while calls are open and the server has been silent this long, in ms, it is asked for a sign of life,
   * and the connection is given up when none comes within 20 s. Default 0: never; at least 10,000. Source: gRFC A8.
   */
  readonly keepaliveMs?: number;
  /** Default real time. */
  readonly clock?: Clock;
  /**
   * Takes the calls in place of a connection of our own, in the inner dialect (see ARCHITECTURE.md). Then `protocol`,
   * `httpVersion`, `tls`, `useHttpGet`, `keepaliveMs` and `idleTimeoutMs` are not looked at, and who gave it closes it.
   */
  readonly service?: Service;
}

/** A Connect transport that holds connections. */
export interface NodeTransport extends Transport {
  /** Takes no new calls; resolves when the last open call has ended and the connections are closed. */
  close(): Promise<void>;
}
