export { createBalancer, type Balancer, type BalancerOptions } from './balancer.ts';
export type { MemberView } from './member.ts';
export type { PolicyName } from './policies/index.ts';
