import type { Clock } from '@bascule/core';
import type { PolicyName, PolicySpec } from '../balancing-policy.ts';
import type { Policy, PolicyFactory } from '../policy.ts';
import { createLeastRequest } from './least-request.ts';
import { createRandom } from './random.ts';
import { createRoundRobin } from './round-robin.ts';

/** All policies by name. */
const FACTORIES: { readonly [Name in PolicyName]?: PolicyFactory<Name> } = {
  'round-robin': createRoundRobin,
  random: createRandom,
  'least-request': createLeastRequest,
};

/** Makes the policy of a spec. */
export function createPolicy(spec: PolicySpec, clock: Clock): Policy {
  const factory = FACTORIES[spec.name] as PolicyFactory | undefined;
  if (factory === undefined) throw new Error(`there is no policy ${spec.name}`);
  return factory(spec as never, clock);
}
