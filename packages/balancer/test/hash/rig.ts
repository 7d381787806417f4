import { createVirtualClock, hash64 } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import type { PolicySpec } from '../../src/balancing-policy.ts';
import { createPolicy } from '../../src/policies/index.ts';
import type { Candidate, Picker, PickRequest, Policy } from '../../src/policy.ts';

export interface Backend extends Candidate {
  openCalls: number;
}

export const RING: PolicySpec = { name: 'ring-hash', minRingSize: 1_024, maxRingSize: 8_388_608 };
export const MAGLEV: PolicySpec = { name: 'maglev', tableSize: 65_537 };
export const RENDEZVOUS: PolicySpec = { name: 'rendezvous' };
export const HASHING = [RING, MAGLEV, RENDEZVOUS];

export function backend(id: string, weight = 1): Backend {
  const latency = { count: 0, meanMs: () => 0, peakMs: () => 0, read() {} };
  return { id, weight, openCalls: 0, load: 0, latency, report: undefined, readySinceMs: 0 };
}

export function backends(count: number, weightOf: (index: number) => number = () => 1): Backend[] {
  return Array.from({ length: count }, (_, index) =>
    backend(`10.0.${index >> 8}.${index & 255}:8080`, weightOf(index)),
  );
}

export const policyOf = (spec: PolicySpec): Policy => createPolicy(spec, createVirtualClock());

/** All steps at once. */
export function runToEnd<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

export function build<T extends Candidate>(policy: Policy, members: readonly T[]): Picker<T> {
  return runToEnd(policy.prepare(members));
}

export const pickerOf = (spec: PolicySpec, members: readonly Backend[]): Picker<Backend> =>
  build(policyOf(spec), members);

export function requestOf(key: string, ...out: readonly Candidate[]): PickRequest {
  const { high, low } = hash64(key);
  const isOut = out.length === 0 ? undefined : (candidate: Candidate): boolean => out.includes(candidate);
  return { hashHigh: high, hashLow: low, nowMs: 0, isOut };
}

/** Keys that FUZZ_SEED changes. */
export const SEED = fuzzing(1).seed;
export const keys = (count: number): string[] => Array.from({ length: count }, (_, index) => `${SEED}:user-${index}`);

/** Ids of the owners of keys. */
export const ownersOf = (picker: Picker<Backend>, of: readonly string[]): string[] =>
  of.map((key) => picker.pick(requestOf(key))?.id ?? 'nobody');

/** How many standard deviations chi-square is above its mean: below 5 in all but one of millions of fair runs. */
export function excess(observed: readonly number[], expected: readonly number[]): number {
  const chiSquare = observed.reduce(
    (sum, count, index) => sum + (count - (expected[index] as number)) ** 2 / (expected[index] as number),
    0,
  );
  const freedom = observed.length - 1;
  return (chiSquare - freedom) / Math.sqrt(2 * freedom);
}

export function countsOf(owners: readonly string[], members: readonly Candidate[]): number[] {
  const counts = new Map<string, number>();
  for (const owner of owners) counts.set(owner, (counts.get(owner) ?? 0) + 1);
  return members.map(({ id }) => counts.get(id) ?? 0);
}
