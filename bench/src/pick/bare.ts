import { createLatency, createPolicy, type Candidate, type LoadReport, type Picker } from '@bascule/balancer';
import { systemClock } from '@bascule/core';
import { weightOf, type Case } from './cases.ts';
import type { Pick } from './rounds.ts';

/** A candidate with nothing around it. */
class Node implements Candidate {
  readonly id: string;
  readonly weight: number;
  openCalls = 0;
  readonly latency = createLatency(10_000);
  report: LoadReport | undefined = undefined;
  readonly readySinceMs = 0;

  constructor(id: string, weight: number) {
    this.id = id;
    this.weight = weight;
  }

  get load(): number {
    return this.openCalls;
  }
}

/** What a first preparation takes. */
export interface Build {
  readonly totalMs: number;
  readonly longestStepMs: number;
}

/** Nodes that have answered, and said of their load what their weight makes of it. */
export function createNodes(about: Case, count: number): Node[] {
  return Array.from({ length: count }, (_, index) => {
    const node = new Node(`node-${index}`, weightOf(about, index));
    const atMs = systemClock.nowMs();
    node.latency.record(5 + (index % 7), atMs);
    node.report = { utilization: 0.2 + (index % 50) / 100, qps: 100, eps: 1, atMs, firstMs: 0 };
    return node;
  });
}

export function build<T extends Candidate>(
  { spec }: Case,
  nodes: readonly T[],
): Build & { readonly picker: Picker<T> } {
  const policy = createPolicy(spec, systemClock);
  let totalMs = 0;
  let longestStepMs = 0;
  let steps: ReturnType<typeof policy.prepare<T>> | undefined;
  for (;;) {
    const beganMs = performance.now();
    steps ??= policy.prepare(nodes);
    const step = steps.next();
    const elapsedMs = performance.now() - beganMs;
    totalMs += elapsedMs;
    longestStepMs = Math.max(longestStepMs, elapsedMs);
    if (step.done === true) return { totalMs, longestStepMs, picker: step.value };
  }
}

/** Picks of the picker alone, with one call open at a time. */
export function createBarePick(picker: Picker<Node>): Pick {
  const request = { hashHigh: 0, hashLow: 0, nowMs: systemClock.nowMs(), isOut: undefined };
  return (hashHigh, hashLow) => {
    request.hashHigh = hashHigh;
    request.hashLow = hashLow;
    request.nowMs += 0.01;
    const node = picker.pick(request);
    if (node === undefined) throw new Error('nobody was picked');
    node.openCalls++;
    node.openCalls--;
  };
}
