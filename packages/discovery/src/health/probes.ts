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
}

/**
 * Probes over sockets of their own: a check must not wait behind calls, nor they behind it. They go to the endpoint's
 * own host only, whatever is answered, and read no more than a few kilobytes.
 */
export function createProbes(options: ProbesOptions): Probes {
  return {
    tcp: connectOnce,
    http: getOnce,
    grpc: (endpoint, probe, signal) => askHealth(options.dial(endpoint), probe, signal),
    watchGrpc: (endpoint, probe, signal) => watchHealth(options.dial(endpoint), probe, signal),
  };
}
