import type { HedgePolicy, RetryPolicy, Timer } from '@bascule/core';
import type { RetryBudget } from './budget.ts';
import { RepeatedCall, type CallParts } from './call.ts';
import { isThrottled, spendTransparent, type Spent } from './decision.ts';
import type { Failure } from './failure.ts';
import { decideHedge } from './hedge-decision.ts';
import type { HedgeFacts } from './hedge-facts.ts';
import { attemptsOf, boundsOf } from './policy.ts';

/**
 * - `idle`: the next attempt starts when one fails
 * - `delaying`: or when its time has come, if it is allowed then
 * - `due`: it is allowed already, and starts after a moment or a pushback
 * - `frozen`: there will be no more
 */
type Hedging = { readonly name: 'idle' | 'frozen' } | { readonly name: 'delaying' | 'due'; readonly timer: Timer };

const IDLE: Hedging = { name: 'idle' };
const FROZEN: Hedging = { name: 'frozen' };

/** A call whose next attempt does not wait for the one before to fail. The first good answer is the call's. */
export class HedgedCall extends RepeatedCall {
  readonly #policy: HedgePolicy;
  readonly #facts: HedgeFacts;
  readonly #spent: Spent = { counted: 1, neverSent: 0, refused: 0, backoffs: 0 };
  readonly #startMs: number;
  readonly #delayMs: number | undefined;
  readonly #budget: RetryBudget;
  #hedging: Hedging = IDLE;
  /** Attempts on their way to take the place of one that provably was not processed. */
  #replacements = 0;
  #isAnswered = false;

  constructor(parts: CallParts, policy: HedgePolicy, retry: RetryPolicy, facts: HedgeFacts) {
    const bounds = boundsOf(retry);
    super(parts, { ...bounds, maxBufferBytes: policy.maxBufferBytes ?? bounds.maxBufferBytes });
    const { head } = parts;
    this.#policy = policy;
    this.#facts = facts;
    this.#startMs = parts.facts.clock.nowMs();
    this.#delayMs = facts.delayMs(head, policy);
    const own = facts.budgetOf(head, policy);
    own?.deposit();
    this.#budget = own ?? parts.facts.budgetOf(head);
  }

  start(): this {
    this.launch('first');
    this.#delay();
    return this;
  }

  protected previousAttempts(): number {
    return this.#spent.counted - 1;
  }

  protected isReplaceable(): boolean {
    return this.attempts.running.length > 1 || this.#isExpecting() || this.#hasNext();
  }

  protected settled(): void {
    this.#become(FROZEN);
  }

  protected answered(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#facts.record(this.parts.head, this.#policy, this.parts.facts.clock.nowMs() - this.#startMs);
  }

  protected failed(failure: Failure): boolean {
    const decision = decideHedge(failure, this.#spent, this.#policy);
    if (decision.kind === 'transparent') {
      this.#replace(failure);
      return true;
    }
    if (isThrottled(failure, this.#policy.nonFatalCodes)) this.parts.facts.failed(this.parts.head);
    if (decision.kind === 'fatal') return false;
    if (decision.kind === 'next') this.#schedule(decision.delayMs);
    else if (this.#hedging.name !== 'due') this.#become(FROZEN);
    return this.attempts.running.length > 0 || this.#isExpecting();
  }

  #hasNext(): boolean {
    return this.#hedging.name !== 'frozen' && this.#spent.counted < attemptsOf(this.#policy);
  }

  #isExpecting(): boolean {
    return this.#replacements > 0 || this.#hedging.name === 'due';
  }

  #become(hedging: Hedging): void {
    if (this.#hedging.name === 'delaying' || this.#hedging.name === 'due') this.#hedging.timer.cancel();
    this.#hedging = hedging;
  }

  /** Waits for the time of the next attempt. */
  #delay(): void {
    if (!this.isOpen() || !this.#hasNext() || this.#delayMs === undefined) return;
    const timer = this.parts.facts.clock.after(this.#delayMs, () => this.#hedge());
    this.#become({ name: 'delaying', timer });
  }

  #hedge(): void {
    this.#become(IDLE);
    if (this.attempts.takeAllowance(this.#budget)) this.#launchNext();
    else this.#become(FROZEN);
  }

  #launchNext(): void {
    this.#become(IDLE);
    this.#spent.counted++;
    this.launch('hedge');
    this.#delay();
  }

  /** After a failure the next attempt need not wait for its time: if it may be sent at all. */
  #schedule(delayMs: number): void {
    if (!this.#hasNext()) return;
    const { facts, head } = this.parts;
    const isLate = facts.clock.nowMs() + delayMs >= (head.call.deadlineMs ?? Infinity);
    const isAllowed = this.#hedging.name === 'due' || (!isLate && this.attempts.takeAllowance(this.#budget));
    if (isLate || !isAllowed) {
      this.#become(FROZEN);
      return;
    }
    // Never at once: the link that failed one attempt may still be failing others, and be picked again.
    const timer = facts.clock.after(delayMs, () => this.#launchNext());
    this.#become({ name: 'due', timer });
  }

  #replace(failure: Failure): void {
    spendTransparent(this.#spent, failure);
    this.#replacements++;
    queueMicrotask(() => {
      this.#replacements--;
      if (this.isOpen()) this.launch('transparent');
    });
  }
}
