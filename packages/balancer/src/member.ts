import { Code, type Endpoint, type Link, type Outcome } from '@bascule/core';
import type { Candidate, LatencyView, LoadReport } from './policy.ts';

/** What an operator sees of a member. Plain data. */
export interface MemberView {
  readonly endpoint: Endpoint;
  readonly key: string;
  readonly state: 'ready' | 'connecting' | 'draining';
  /** Wall-clock milliseconds since its way is as it is. */
  readonly sinceMs: number;
  /** Why it is connecting still, for people; empty where there is nothing to say. */
  readonly problem: string;
  /** Calls lent and not yet given back. */
  readonly openCalls: number;
  /** Calls lent in all. */
  readonly calls: number;
  /** Calls given back with a status that speaks against the endpoint, see {@link isFailure}. */
  readonly failures: number;
}

/** An endpoint in a balancer, with its load and history. */
export class Member implements Candidate {
  readonly key: string;
  endpoint: Endpoint;
  link: Link;
  state: MemberView['state'] = 'connecting';
  sinceMs = 0;
  openCalls = 0;
  calls = 0;
  failures = 0;
  readySinceMs = 0;
  report: LoadReport | undefined = undefined;
  readonly latency: LatencyView = { count: 0, meanMs: () => 0, peakMs: () => 0 };
  #onIdle: (() => void) | undefined = undefined;

  constructor(key: string, endpoint: Endpoint, link: Link) {
    this.key = key;
    this.endpoint = endpoint;
    this.link = link;
  }

  get id(): string {
    return this.endpoint.instanceId;
  }

  get weight(): number {
    return this.endpoint.weight;
  }

  get load(): number {
    return this.openCalls;
  }

  isUsable(): boolean {
    const { health = 'healthy' } = this.endpoint;
    return this.state === 'ready' && this.weight > 0 && health === 'healthy';
  }

  lend(): void {
    this.openCalls++;
    this.calls++;
  }

  giveBack(outcome: Outcome): void {
    this.openCalls--;
    if (isFailure(outcome)) this.failures++;
    if (this.openCalls === 0) this.#onIdle?.();
  }

  /** Resolves when the last lease is back; asked once, when no more are lent. */
  idle(): Promise<void> {
    return new Promise((resolve) => {
      if (this.openCalls === 0) resolve();
      else this.#onIdle = resolve;
    });
  }

  view(): MemberView {
    const { endpoint, key, state, sinceMs, openCalls, calls, failures } = this;
    const problem = state === 'connecting' ? (this.link.problem?.() ?? '') : '';
    return { endpoint, key, state, sinceMs, problem, openCalls, calls, failures };
  }
}

/** Codes that speak against an endpoint rather than the call: those that a healthy callee does not give. */
const FAILURES: ReadonlySet<Code> = new Set([
  Code.unknown,
  Code.deadlineExceeded,
  Code.internal,
  Code.unavailable,
  Code.dataLoss,
]);

function isFailure(outcome: Outcome): boolean {
  return outcome.by !== 'caller' && FAILURES.has(outcome.code);
}
