import type { Clock } from '@bascule/core';
import { createHealthChecks, type CheckSettings, type HealthChecks, type Membership } from '@bascule/discovery';
import { tlsOfEndpoint, type EndpointTls } from '../channel/endpoint-tls.ts';
import { createEndpointProbes } from './probes.ts';

export interface EndpointHealthOptions {
  readonly membership: Membership;
  readonly clock: Clock;
  readonly check: Partial<CheckSettings> | undefined;
  /** How endpoints are reached over TLS. */
  readonly tls: EndpointTls | undefined;
  onWarning(message: string): void;
}

/** Checks of endpoints over connections of their own. */
export function createEndpointHealth(options: EndpointHealthOptions): HealthChecks {
  const { membership, clock, tls } = options;
  const check = options.check && toCheckSettings(options.check);
  return createHealthChecks({
    membership,
    clock,
    probes: createEndpointProbes(clock, (endpoint) => tlsOfEndpoint(endpoint, tls)),
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
