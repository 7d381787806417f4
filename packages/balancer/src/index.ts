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
export { createLatency } from './load/latency.ts';
export { createPolicy } from './policies/index.ts';
export type { Candidate, LatencyView, LoadReport, Picker, PickRequest, Policy } from './policy.ts';
