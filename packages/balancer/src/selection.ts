import type { Clock, RequestHead } from '@bascule/core';
import type { BalancingPolicy } from './balancing-policy.ts';
import type { Member } from './member.ts';
import { createPolicy } from './policies/index.ts';
import type { Picker, PickRequest, Policy } from './policy.ts';

/** Who of the members gets a call. */
export class Selection {
  readonly #clock: Clock;
  #policy: Policy;
  #pickers: Picker<Member>[] | undefined = undefined;
  readonly #request: PickRequest = { hashHigh: 0, hashLow: 0, nowMs: 0, isOut: undefined };

  constructor(balancing: BalancingPolicy, clock: Clock) {
    this.#clock = clock;
    this.#policy = createPolicy(balancing.policy, clock);
  }

  configure(balancing: BalancingPolicy): void {
    this.#policy = createPolicy(balancing.policy, this.#clock);
    this.invalidate();
  }

  invalidate(): void {
    this.#pickers = undefined;
  }

  choose(members: Iterable<Member>, head: RequestHead): Member | undefined {
    const pickers = (this.#pickers ??= this.#prepare(members));
    const { tried } = head.call;
    const request = this.#request;
    if (tried.length > 0) {
      request.isOut = (candidate) => tried.includes((candidate as Member).key);
      for (const picker of pickers) {
        const member = picker.pick(request);
        if (member !== undefined) return member;
      }
    }
    request.isOut = undefined;
    return pickers[0]?.pick(request);
  }

  #prepare(members: Iterable<Member>): Picker<Member>[] {
    const groups = Map.groupBy(
      [...members].filter((member) => member.isUsable()),
      ({ endpoint }) => endpoint.priority,
    );
    return [...groups].toSorted(([a], [b]) => a - b).map(([, group]) => finish(this.#policy.prepare(group)));
  }
}

function finish<T>(steps: Generator<undefined, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
