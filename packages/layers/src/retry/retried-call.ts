import type { RetryPolicy, Timer } from '@bascule/core';
import { RepeatedCall, type CallParts } from './call.ts';
import { decideRetry, isThrottled, spendRetry, type Spent } from './decision.ts';
import type { Failure } from './failure.ts';
import { attemptsOf, boundsOf, isRepeatable } from './policy.ts';

/** A call whose next attempt comes after the one before has failed. */
export class RetriedCall extends RepeatedCall {
  readonly #policy: RetryPolicy;
  #spent: Spent | undefined = undefined;
  #pausing: Timer | undefined = undefined;

  constructor(parts: CallParts, policy: RetryPolicy) {
    super(parts, boundsOf(policy));
    this.#policy = policy;
  }

  start(): this {
    this.launch('first');
    return this;
  }

  protected previousAttempts(): number {
    return (this.#spent?.counted ?? 1) - 1;
  }

  protected isReplaceable(): boolean {
    return this.#isRepeatable() && (this.#spent?.counted ?? 1) < attemptsOf(this.#policy);
  }

  protected settled(): void {
    this.#pausing?.cancel();
    this.#pausing = undefined;
  }

  protected answered(): void {}

  protected failed(failure: Failure): boolean {
    const { head, facts } = this.parts;
    const { clock } = facts;
    const policy = this.#policy;
    const spent = (this.#spent ??= { counted: 1, neverSent: 0, refused: 0, backoffs: 0 });
    const decision = decideRetry({ failure, spent, policy, repeatable: this.#isRepeatable(), clock });
    if (decision.kind === 'transparent') {
      if (isPast(head.call.deadlineMs, clock.nowMs())) return false;
      spendRetry(spent, decision, failure);
      // Not at once: the link that failed this call may still be failing others, and be picked again.
      queueMicrotask(() => {
        if (this.isOpen()) this.launch('transparent');
      });
      return true;
    }
    if (isThrottled(failure, policy.codes)) facts.failed(head);
    if (decision.kind === 'give-up') return false;
    // The caller learns the reason now rather than nothing but a deadline later.
    if (isPast(head.call.deadlineMs, clock.nowMs() + decision.delayMs)) return false;
    if (!this.attempts.takeAllowance(facts.budgetOf(head))) return false;
    spendRetry(spent, decision, failure);
    this.#pausing = clock.after(decision.delayMs, () => this.launch('retry'));
    return true;
  }

  #isRepeatable(): boolean {
    return this.#policy.anyMethod === true || isRepeatable(this.parts.head.call.method);
  }
}

function isPast(deadlineMs: number | undefined, atMs: number): boolean {
  return deadlineMs !== undefined && atMs >= deadlineMs;
}
