import { createRandom, createVirtualClock, type Clock } from '@bascule/core';
import type { PolicySpec } from '../../src/balancing-policy.ts';
import { createLatency } from '../../src/load/latency.ts';
import { createPolicy } from '../../src/policies/index.ts';
import type { Candidate, LoadReport, Picker, PickRequest, Policy } from '../../src/policy.ts';

/** Given as `SEED=...` to replay; in the message of whatever depends on it. */
export const SEED = Number(process.env['SEED'] ?? 20_261_121);

/** A candidate whose load a test sets. */
export class Node implements Candidate {
  readonly id: string;
  weight: number;
  openCalls = 0;
  messages = 0;
  readonly latency = createLatency(10_000);
  report: LoadReport | undefined = undefined;
  readySinceMs = 0;

  constructor(id: string, weight = 1) {
    this.id = id;
    this.weight = weight;
  }

  get load(): number {
    return this.openCalls + this.messages;
  }
}

/** Nodes a, b, c ... of these weights. */
export function nodesOf(weights: readonly number[], loads: readonly number[] = []): Node[] {
  return weights.map((weight, i) => {
    const node = new Node(weights.length <= 26 ? String.fromCharCode(97 + i) : `n${i}`, weight);
    node.openCalls = loads[i] ?? 0;
    return node;
  });
}

/** Prepares in one go. */
export function prepare<T extends Candidate>(policy: Policy, members: readonly T[]): Picker<T> {
  const steps = policy.prepare(members);
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

/** A request for a call of a key of chance; `shuffle` makes it one for another. */
export function createRequest(seed = SEED): PickRequest & { shuffle(): PickRequest } {
  const random = createRandom(seed);
  return {
    hashHigh: 0,
    hashLow: 0,
    nowMs: 0,
    isOut: undefined,
    shuffle() {
      this.hashHigh = Math.floor(random() * 0x1_0000_0000);
      this.hashLow = Math.floor(random() * 0x1_0000_0000);
      return this;
    },
  };
}

/** A clock whose chance is always 0: nothing is left out at the start of turns. */
export function withoutChance(): Clock {
  return { ...createVirtualClock(SEED), random: () => 0 };
}

/** Picks in a row, by id. */
export function idsOf(picker: Picker<Node>, count: number, request = createRequest()): string[] {
  return Array.from({ length: count }, () => picker.pick(request.shuffle())?.id ?? '-');
}

export function createPicker(spec: PolicySpec, members: readonly Node[], clock: Clock = createVirtualClock(SEED)) {
  return prepare(createPolicy(spec, clock), members);
}
