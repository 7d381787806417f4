import {
  INITIAL_CREDIT_BYTES,
  outcomeOfEnd,
  type CallError,
  type Cancel,
  type Clock,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
  type Timer,
} from '@bascule/core';
import { HeldCall } from '../held-call.ts';
import type { AnswerSide } from './comparison.ts';

export interface CopyPlan {
  readonly head: RequestHead;
  readonly service: Service;
  readonly clock: Clock;
  /** Where its answer is compared; undefined drops it. */
  readonly side: AnswerSide | undefined;
  /** Request bytes kept for a service that reads slower than the caller writes. */
  readonly maxKeptBytes: number;
  /** Time it may still take when the call itself has ended. */
  readonly lingerMs: number;
  /** Runs once, whichever way it ended. */
  onEnded(end: CopyEnd): void;
}

/** `given-up`: the call itself came to nothing, so nobody wants to know. `reason` is for people. */
export type CopyEnd =
  | { readonly kind: 'answered' }
  | { readonly kind: 'missing'; readonly reason: string }
  | { readonly kind: 'given-up' };

/** A call that nobody waits for. What its service has no credit for yet is kept; when that is too much, it is given up. */
export class MirrorCopy extends HeldCall {
  readonly #plan: CopyPlan;
  readonly #answer: CopyReply;
  #written = 0;
  #timer: Timer | undefined = undefined;
  #isOver = false;

  constructor(plan: CopyPlan) {
    const answer = new CopyReply(plan.side);
    super({ head: plan.head, reply: answer, next: plan.service });
    this.#plan = plan;
    this.#answer = answer;
    answer.copy = this;
  }

  begin(): void {
    this.start();
  }

  override write(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#written += bytes.length;
    super.write(bytes);
    const kept = this.#written - INITIAL_CREDIT_BYTES - this.#answer.granted;
    if (kept > this.#plan.maxKeptBytes) this.#miss('it was read too slowly', 'superseded');
  }

  /** The call itself has ended; the copy gets a little longer. */
  linger(): void {
    if (this.#isOver) return;
    const { clock, head, lingerMs } = this.#plan;
    const leftMs = (head.call.deadlineMs ?? Infinity) - clock.nowMs();
    this.#timer = clock.after(Math.ceil(Math.min(lingerMs, leftMs)), () => this.#miss('it took too long', 'deadline'));
  }

  giveUp(reason: Cancel): void {
    if (this.#isOver) return;
    this.cancel(reason);
    this.#plan.onEnded({ kind: 'given-up' });
  }

  settle(end: CopyEnd): void {
    this.#plan.onEnded(end);
  }

  protected override onOver(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #miss(reason: string, cancel: Cancel): void {
    if (this.#isOver) return;
    this.cancel(cancel);
    this.#plan.onEnded({ kind: 'missing', reason });
  }
}

/** Takes the answer as fast as it comes. */
class CopyReply implements Reply {
  copy: MirrorCopy | undefined = undefined;
  granted = 0;
  readonly #side: AnswerSide | undefined;
  #head: ResponseHead | undefined = undefined;

  constructor(side: AnswerSide | undefined) {
    this.#side = side;
  }

  head(head: ResponseHead): void {
    this.#head = head;
    if (this.#side !== undefined) this.#side.httpStatus = head.status;
  }

  write(bytes: Uint8Array): void {
    this.#side?.cutter.push(bytes);
    this.copy?.grant(bytes.length);
  }

  end(trailers: Fields): void {
    if (this.#side !== undefined) this.#side.outcome = outcomeOfEnd(this.#head, trailers);
    this.copy?.settle({ kind: 'answered' });
  }

  fail(error: CallError): void {
    this.copy?.settle({ kind: 'missing', reason: error.message });
  }

  grant(bytes: number): void {
    this.granted += bytes;
  }
}
