import type { PolicyFactory } from '../policy.ts';
import { createLeastRequest } from './least-request.ts';
import { createRandom } from './random.ts';
import { createRoundRobin } from './round-robin.ts';

/** How an endpoint is chosen. Default in the gateway: least-request. */
export type PolicyName = 'round-robin' | 'random' | 'least-request';

/** All policies by name. */
export const POLICIES: Readonly<Record<PolicyName, PolicyFactory>> = {
  'round-robin': createRoundRobin,
  random: createRandom,
  'least-request': createLeastRequest,
};
