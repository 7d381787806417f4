import type { PolicySpec } from '@bascule/balancer';

/** A policy over members of certain weights, beside what others publish of the same. */
export interface Case {
  readonly name: string;
  readonly spec: PolicySpec;
  /** Different weights among the members; 0 gives each its own. */
  readonly weights: number;
  /** Cost of a pick in `n` members: ours, and as Envoy and Finagle (or who has the policy) publish it. */
  readonly ours: string;
  readonly envoy: string;
  readonly others: string;
}

const LEAST_REQUEST = { name: 'least-request', choiceCount: 2, fullScanUpTo: 0, activeRequestBias: 1 } as const;
const PEAK_EWMA = { name: 'peak-ewma', decayMs: 10_000, initialMs: 30, choiceCount: 2 } as const;
const ORCA = {
  name: 'orca-weighted-round-robin',
  blackoutMs: 0,
  expirationMs: 180_000,
  updateMs: 1_000,
  errorPenalty: 1,
} as const;
const WEIGHTED_TURNS = { envoy: 'O(log n), EDF', others: 'nginx O(n)' };
const NONE = '-';

export const CASES: readonly Case[] = [
  {
    name: 'round-robin',
    spec: { name: 'round-robin', weighted: true },
    weights: 1,
    ours: 'O(1)',
    envoy: 'O(1)',
    others: 'Finagle O(1)',
  },
  {
    name: 'round-robin, 5 weights',
    spec: { name: 'round-robin', weighted: true },
    weights: 5,
    ours: 'O(weights), order of nginx',
    ...WEIGHTED_TURNS,
  },
  {
    name: 'round-robin, 32 weights',
    spec: { name: 'round-robin', weighted: true },
    weights: 32,
    ours: 'O(weights), order of nginx',
    ...WEIGHTED_TURNS,
  },
  {
    name: 'round-robin, all weights differ',
    spec: { name: 'round-robin', weighted: true },
    weights: 0,
    ours: 'O(1), 12 bands',
    ...WEIGHTED_TURNS,
  },
  {
    name: 'random',
    spec: { name: 'random', weighted: true },
    weights: 1,
    ours: 'O(1)',
    envoy: 'O(1)',
    others: NONE,
  },
  {
    name: 'random, weighted',
    spec: { name: 'random', weighted: true },
    weights: 0,
    ours: 'O(1), alias table',
    envoy: NONE,
    others: NONE,
  },
  {
    name: 'least-request',
    spec: LEAST_REQUEST,
    weights: 1,
    ours: 'O(choices)',
    envoy: 'O(choices)',
    others: 'Finagle P2C O(1), heap O(log n)',
  },
  {
    name: 'least-request of 5',
    spec: { ...LEAST_REQUEST, choiceCount: 5 },
    weights: 1,
    ours: 'O(choices)',
    envoy: 'O(choices)',
    others: NONE,
  },
  {
    name: 'least-request, weighted',
    spec: LEAST_REQUEST,
    weights: 0,
    ours: 'O(log n), EDF',
    envoy: 'O(log n), EDF',
    others: NONE,
  },
  {
    name: 'least-response-time',
    spec: { name: 'least-response-time', choiceCount: 2 },
    weights: 1,
    ours: 'O(choices)',
    envoy: NONE,
    others: 'nginx O(n)',
  },
  {
    name: 'peak-ewma',
    spec: PEAK_EWMA,
    weights: 1,
    ours: 'O(choices)',
    envoy: 'O(choices)',
    others: 'Finagle O(1)',
  },
  {
    name: 'peak-ewma, weighted',
    spec: PEAK_EWMA,
    weights: 0,
    ours: 'O(choices)',
    envoy: NONE,
    others: NONE,
  },
  {
    name: 'orca-weighted-round-robin',
    spec: ORCA,
    weights: 1,
    ours: 'O(max / mean weight)',
    envoy: 'O(log n), EDF',
    others: 'gRPC O(max / mean weight)',
  },
  {
    name: 'dynamic-weight',
    spec: { name: 'dynamic-weight', updateMs: 1_000, gain: 0.3 },
    weights: 5,
    ours: 'O(max / mean weight)',
    envoy: NONE,
    others: NONE,
  },
  {
    name: 'ring-hash',
    spec: { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 8_388_608 },
    weights: 1,
    ours: 'O(log ring)',
    envoy: 'O(log ring)',
    others: 'gRPC O(log ring)',
  },
  {
    name: 'ring-hash, bounded',
    spec: { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 8_388_608, boundPercent: 125 },
    weights: 1,
    ours: 'O(log ring)',
    envoy: 'O(log ring)',
    others: NONE,
  },
  {
    name: 'maglev',
    spec: { name: 'maglev', tableSize: 65_537 },
    weights: 1,
    ours: 'O(1)',
    envoy: 'O(1)',
    others: NONE,
  },
  {
    name: 'maglev, bounded',
    spec: { name: 'maglev', tableSize: 65_537, boundPercent: 125 },
    weights: 1,
    ours: 'O(1)',
    envoy: 'O(1)',
    others: NONE,
  },
  {
    name: 'rendezvous',
    spec: { name: 'rendezvous' },
    weights: 1,
    ours: 'O(1), table above 16 members',
    envoy: NONE,
    others: 'as published O(n)',
  },
  {
    name: 'rendezvous, bounded',
    spec: { name: 'rendezvous', boundPercent: 125 },
    weights: 1,
    ours: 'O(1), table above 16 members',
    envoy: NONE,
    others: 'as published O(n)',
  },
];

/** Weight of the member of this index. */
export function weightOf({ weights }: Pick<Case, 'weights'>, index: number): number {
  return weights === 0 ? 1 + index / 64 : 1 + (index % weights);
}
