import type { BalancingPolicy } from '@bascule/balancer';
import { balancingOfServiceConfig } from '@bascule/client';
import type { CallPolicy } from '@bascule/core';
import { parseServiceConfig, type ServiceConfig } from '@bascule/layers';
import type { Settings } from '../config/settings-types.ts';
import type { ClusterFacts } from '../snapshot.ts';
import { ownSettings } from './own-settings.ts';

/** What the gRPC service config of a service says; nothing where it has none. */
export interface ServiceConfigFacts {
  /** Of a method, or with an empty name of all that are not named. */
  policyOf(method: string): CallPolicy;
  readonly balancing: Partial<BalancingPolicy> | undefined;
  readonly retryThrottling: ClusterFacts['retryThrottling'];
}

const NOTHING: ServiceConfigFacts = { policyOf: () => ({}), balancing: undefined, retryThrottling: undefined };

/** By the bytes of its file: pictures are made often, and each change of the settings brings the file's bytes anew. */
const parsed = new WeakMap<Uint8Array, ServiceConfig>();

export function serviceConfigOf(service: string, { services, discovery }: Settings): ServiceConfigFacts {
  const own = ownSettings(services, service);
  const file = own?.serviceConfigFile ?? services['*']?.serviceConfigFile;
  const bytes = file === undefined ? undefined : discovery.files.get(file);
  if (bytes === undefined) return NOTHING;
  const config = parsed.get(bytes) ?? parseServiceConfig(new TextDecoder().decode(bytes));
  parsed.set(bytes, config);
  return {
    policyOf: (method) => config.policyOf(service, method),
    balancing: balancingOfServiceConfig(config.loadBalancing),
    retryThrottling: config.throttle,
  };
}
