import {
  Code,
  getField,
  outcomeOfEnd,
  outcomeOfFail,
  type CallContext,
  type CallError,
  type Cancel,
  type Clock,
  type Fields,
  type Outcome,
  type Reply,
  type ResponseHead,
} from '@bascule/core';
import { Passage } from '../passage.ts';

/**
 * What the end of a call says of its service:
 * - `good`: it answered, be it with a status that is its caller's business, as `not_found` is
 * - `bad`: `unknown`, `internal`, `unavailable`, `data_loss`
 * - `late`: `deadline_exceeded`, or the deadline ended it, and there had been time to answer
 * - `exhausted`: the service itself said `resource_exhausted`
 * - `nothing`: the caller gave up, or a limit on our side refused it
 */
export type Verdict = 'good' | 'bad' | 'late' | 'exhausted' | 'nothing';

/** A caller that asks for an answer in less says nothing of the service by not getting it, or anybody could stop it for all. */
const MIN_FAIR_MS = 100;

/** Passes a call on and says how it went. Streams have gone well with their first message. */
export abstract class JudgedCall extends Passage {
  protected readonly clock: Clock;
  protected readonly call: CallContext;
  #head: ResponseHead | undefined = undefined;
  #hasAnswered: boolean;

  constructor(reply: Reply, call: CallContext, clock: Clock) {
    super(reply);
    this.call = call;
    this.clock = clock;
    // A unary call is judged by its status alone.
    this.#hasAnswered = call.method?.kind === 'unary';
  }

  /** Once at the end; for a stream that has answered at that moment, and at its end only if it went wrong then. */
  protected abstract judge(verdict: Verdict): void;

  override head(head: ResponseHead): void {
    this.#head = head;
    super.head(head);
  }

  override write(bytes: Uint8Array): void {
    if (this.body === undefined) return;
    if (!this.#hasAnswered) {
      this.#hasAnswered = true;
      this.judge('good');
    }
    this.reply.write(bytes);
  }

  override end(trailers: Fields): void {
    if (this.body !== undefined) {
      const isOk = getField(trailers, 'grpc-status') === '0';
      this.#settle(isOk ? 'good' : verdictOf(outcomeOfEnd(this.#head, trailers), this.call, this.clock));
    }
    super.end(trailers);
  }

  override fail(error: CallError): void {
    if (this.body !== undefined) this.#settle(verdictOf(outcomeOfFail(error), this.call, this.clock));
    super.fail(error);
  }

  override cancel(reason: Cancel): void {
    if (this.body !== undefined) this.#settle(reason === 'deadline' ? lateOrNothing(this.call, this.clock) : 'nothing');
    super.cancel(reason);
  }

  #settle(verdict: Verdict): void {
    const isStream = this.call.method?.kind !== 'unary';
    // How long a stream goes on after its first message is up to its caller.
    if (isStream && this.#hasAnswered && verdict !== 'bad') return;
    this.judge(verdict);
  }
}

const BAD: ReadonlySet<Code> = new Set([Code.unknown, Code.internal, Code.unavailable, Code.dataLoss]);

function verdictOf({ code, by }: Outcome, call: CallContext, clock: Clock): Verdict {
  if (BAD.has(code)) return 'bad';
  if (code === Code.deadlineExceeded) return lateOrNothing(call, clock);
  if (code === Code.resourceExhausted) return by === 'callee' ? 'exhausted' : 'nothing';
  return code === Code.canceled ? 'nothing' : 'good';
}

function lateOrNothing(call: CallContext, clock: Clock): Verdict {
  return clock.nowMs() - call.startedMs >= MIN_FAIR_MS ? 'late' : 'nothing';
}
