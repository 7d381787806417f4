import { formatAddress, type Clock, type Endpoint } from '@bascule/core';
import {
  createHealthChecks,
  createProbes,
  type CheckSettings,
  type ClosableTransport,
  type HealthChecks,
  type Membership,
} from '@bascule/discovery';
import type { LinkTls } from '@bascule/wire';
import { createNodeTransport } from '../transport.ts';

export interface EndpointHealthOptions {
  readonly membership: Membership;
  readonly clock: Clock;
  readonly check: Partial<CheckSettings> | undefined;
  /** How endpoints are reached; undefined is in the clear. */
  readonly tls: LinkTls | undefined;
  onWarning(message: string): void;
}

/** An answer to a question about health has a byte or two. */
const MAX_ANSWER_BYTES = 65_536;

/** Checks of endpoints over connections of their own. */
export function createEndpointHealth(options: EndpointHealthOptions): HealthChecks {
  const { membership, clock, tls } = options;
  const check = options.check && toCheckSettings(options.check);
  return createHealthChecks({
    membership,
    clock,
    probes: createProbes({ dial: (endpoint) => dialEndpoint(endpoint, clock, tls) }),
    settings: { checkOf: () => check, loadLimitOf: () => undefined },
    onWarning: (message) => options.onWarning(message),
  });
}

function toCheckSettings(given: Partial<CheckSettings>): CheckSettings {
  const { intervalMs = 10_000 } = given;
  return {
    probe: { kind: 'by-protocol' },
    intervalMs,
    jitterPercent: 10,
    timeoutMs: Math.min(1_000, intervalMs),
    unhealthyThreshold: 3,
    healthyThreshold: 2,
    maxChecksPerInterval: 1_000,
    ...given,
  };
}

function dialEndpoint(endpoint: Endpoint, clock: Clock, tls: LinkTls | undefined): ClosableTransport {
  const { protocol } = endpoint;
  return createNodeTransport({
    baseUrl: `${tls === undefined ? 'http' : 'https'}://${formatAddress(endpoint)}`,
    // Sources tell of no ports to modules, so no other is left.
    protocol: protocol.replace('+http1', '') as 'grpc' | 'grpc-web' | 'connect',
    httpVersion: protocol.endsWith('+http1') ? '1.1' : '2',
    clock,
    ...(tls !== undefined && { tls }),
    // What waits for an answer is the check, and it has a limit of its own.
    connectWaitMs: 0,
    inheritDeadline: false,
    readMaxBytes: MAX_ANSWER_BYTES,
  });
}
