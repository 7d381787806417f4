import type { ConnectionOptions } from 'node:tls';
import type { Endpoint } from '@bascule/core';
import type { ClosableTransport } from '../spec.ts';
import { askHealth, watchHealth } from './grpc-probe.ts';
import type { Probes } from './health-checks.ts';
import { getOnce } from './http-probe.ts';
import { connectOnce } from './tcp-probe.ts';

export interface ProbesOptions {
  /**
   * Opens a way to the gRPC services of an endpoint: for each question, and for each watch, which close it again.
   * Whoever keeps connections from one question to the next gives transports whose `close` leaves them open.
   */
  dial(endpoint: Endpoint): ClosableTransport;
  /** How calls to the endpoint speak TLS, asked for each probe; undefined is in the clear. Default: all are. */
  tlsOf?(endpoint: Endpoint): ProbeTls | undefined;
}

/** How sockets speak TLS. */
export interface ProbeTls {
  /** What `node:tls` takes: whom to connect to and to believe, and what to agree on; default what calls speak. */
  optionsFor(protocol?: 'http/1.1'): ConnectionOptions;
  /** What was wrong with it, for people; undefined where it was something else. */
  explain(error: Error, protocol?: 'http/1.1'): string | undefined;
}

/**
 * Probes over sockets of their own: a check must not wait behind calls, nor they behind it. They go to the endpoint's
 * own host only, whatever is answered, and read no more than a few kilobytes.
 */
export function createProbes(options: ProbesOptions): Probes {
  const tlsOf = (endpoint: Endpoint): ProbeTls | undefined => options.tlsOf?.(endpoint);
  return {
    tcp: (endpoint, signal) => connectOnce(endpoint, tlsOf(endpoint), signal),
    http: (endpoint, probe, signal) =>
      getOnce(endpoint, probe, tlsOf(probe.tls === true ? { ...endpoint, tls: true } : endpoint), signal),
    grpc: (endpoint, probe, signal) => askHealth(options.dial(endpoint), probe, signal),
    watchGrpc: (endpoint, probe, signal) => watchHealth(options.dial(endpoint), probe, signal),
  };
}
