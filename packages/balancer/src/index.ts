export { createBalancer, type Balancer, type BalancerOptions } from './balancer.ts';
export {
  DEFAULT_OUTLIER,
  resolveBalancing,
  type BalancingPolicy,
  type LocalityPolicy,
  type OutlierPolicy,
  type PolicyName,
  type PolicySpec,
  type SlowStartPolicy,
  type SubsetPolicy,
} from './balancing-policy.ts';
export { MemberLease } from './lease.ts';
export type { MemberView } from './member.ts';
