import type { Clock, Link } from '@bascule/core';
import type { LinkTlsSource } from '../../tls.ts';
import { DEFAULT_HTTP2_LIMITS, type Http2Limits } from '../limits.ts';
import { Pool } from './pool.ts';

export interface Http2LinkOptions {
  /** Name or address of the backend. */
  readonly host: string;
  readonly port: number;
  /** TLS with ALPN `h2`. Default: none, HTTP/2 with prior knowledge. */
  readonly tls?: LinkTlsSource;
  readonly clock: Clock;
  /** Connections at most; more than one is opened when the peer's stream limit is reached. Default 10; 1 to 100. Source: gRFC A105. */
  readonly maxConnections?: number;
  readonly limits?: Partial<Http2Limits>;
  /** Whether its connections keep the process alive, idle ones too. Default true. */
  readonly holdsProcess?: boolean;
  /**
   * While calls are open and the backend has been silent this long, in milliseconds, it is asked for a sign of life; the
   * connection is given up when none comes within 20 s. Default 0: never; at least 10,000. Servers of gRPC close
   * connections that ask more often than every 5 minutes, unless they are told to permit it; after such a close the time
   * is doubled. Source: gRFC A8.
   */
  readonly keepaliveMs?: number;
  /**
   * While calls are open and the backend has been silent this long, in milliseconds, it is asked by PING, once between
   * two of its answers. If it stays silent as long again, the link is not ready until it speaks, and calls that may be
   * repeated and have no answer yet fail `unavailable` where `call.elsewhere` says that another can take them. Default
   * 0: never; at least 100.
   */
  readonly silenceMs?: number;
}

const MIN_KEEPALIVE_MS = 10_000;
const MIN_SILENCE_MS = 100;

/** A connection's window cannot start below the protocol's own start value (RFC 9113, 6.9.2). */
function toLimits(given: Partial<Http2Limits> | undefined): Http2Limits {
  const limits = { ...DEFAULT_HTTP2_LIMITS, ...given };
  return { ...limits, connectionWindowBytes: Math.max(65_535, limits.connectionWindowBytes) };
}

function toKeepaliveMs(given: number): number {
  if (given === 0 || given >= MIN_KEEPALIVE_MS) return given;
  throw new RangeError(`keepaliveMs is ${given}; give 0 (off) or at least ${MIN_KEEPALIVE_MS}`);
}

function toSilenceMs(given: number): number {
  if (given === 0 || given >= MIN_SILENCE_MS) return given;
  throw new RangeError(`silenceMs is ${given}; give 0 (off) or at least ${MIN_SILENCE_MS}`);
}

/**
 * A way to one backend over HTTP/2, with prior knowledge or over TLS. Connects at once and again after a loss; is ready while a
 * connection has both sides' SETTINGS. Calls made while it connects for the first time, or while all streams are taken,
 * wait (bounded); calls made while the backend cannot be reached fail `never-sent` at once.
 * Throws a RangeError for an option outside of its range.
 */
export function createHttp2Link(options: Http2LinkOptions): Link {
  let listener: (ready: boolean) => void = () => undefined;
  const closed = Promise.withResolvers<void>();
  const pool = new Pool({
    host: options.host,
    port: options.port,
    tls: options.tls,
    clock: options.clock,
    maxConnections: options.maxConnections ?? 10,
    holdsProcess: options.holdsProcess ?? true,
    keepaliveMs: toKeepaliveMs(options.keepaliveMs ?? 0),
    silenceMs: toSilenceMs(options.silenceMs ?? 0),
    limits: toLimits(options.limits),
    onReadyChange: (ready) => listener(ready),
    onClosed: () => closed.resolve(),
  });
  return {
    service: (head, reply) => pool.call(head, reply),
    isReady: () => pool.isReady,
    onReadyChange(next) {
      listener = next;
    },
    problem: () => pool.problem,
    retry: () => pool.retry(),
    close() {
      pool.close();
      return closed.promise;
    },
    destroy: () => pool.destroy(),
  };
}
