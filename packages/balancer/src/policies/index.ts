import type { Clock } from '@bascule/core';
import type { PolicyName, PolicySpec } from '../balancing-policy.ts';
import type { Policy, PolicyFactory } from '../policy.ts';
import { createDynamicWeight } from './dynamic-weight.ts';
import { createLeastRequest } from './least-request.ts';
import { createLeastResponseTime } from './least-response-time.ts';
import { createMaglev } from './maglev.ts';
import { createOrcaWeightedRoundRobin } from './orca-weighted-round-robin.ts';
import { createPeakEwma } from './peak-ewma.ts';
import { createRandom } from './random.ts';
import { createRendezvous } from './rendezvous.ts';
import { createRingHash } from './ring-hash.ts';
import { createRoundRobin } from './round-robin.ts';

/** All policies by name. */
const FACTORIES: { readonly [Name in PolicyName]: PolicyFactory<Name> } = {
  'round-robin': createRoundRobin,
  random: createRandom,
  'least-request': createLeastRequest,
  'least-response-time': createLeastResponseTime,
  'peak-ewma': createPeakEwma,
  'orca-weighted-round-robin': createOrcaWeightedRoundRobin,
  'dynamic-weight': createDynamicWeight,
  'ring-hash': createRingHash,
  maglev: createMaglev,
  rendezvous: createRendezvous,
};

/** Makes the policy of a spec. */
export function createPolicy(spec: PolicySpec, clock: Clock): Policy {
  const factory = FACTORIES[spec.name] as PolicyFactory;
  return factory(spec, clock);
}
