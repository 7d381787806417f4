import {
  callError,
  Code,
  getField,
  INITIAL_CREDIT_BYTES,
  type Body,
  type CachePolicy,
  type CallError,
  type Cancel,
  type Fields,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
} from '@bascule/core';
import { CollectedMessage } from './collected-message.ts';
import { freshnessOf, type Freshness } from './freshness.ts';
import type { Answer } from './store.ts';

/** A caller that waits for the answer of a flight. */
export interface Passenger {
  readonly reply: Reply;
  /** Reply bytes granted so far. */
  readonly granted: number;
  /** The whole answer. */
  play(answer: Answer): void;
  fail(error: CallError): void;
  /** The answer comes as it is made, to `reply`. */
  watch(): void;
  /** There is nothing to share: it makes a call of its own. */
  goAlone(): void;
}

export interface FlightPlan {
  readonly head: RequestHead;
  readonly policy: CachePolicy;
  /** Longest answer that is collected, in bytes with its prefix. */
  readonly maxAnswerBytes: number;
  /** No call may join any more. Runs once, before anybody gets the answer; `freshness` when others may have it. */
  onLanded(answer: Answer | undefined, freshness: Freshness | undefined): void;
}

/**
 * - `collecting`: nobody has got anything of the answer yet.
 * - `passing`: the answer is for the one that asked first alone, and goes there as it comes.
 */
type State = 'collecting' | 'passing' | 'over';

const MANY = callError(Code.unimplemented, 'the service answered a unary call with more than one message');

/**
 * One call for many callers. It goes on while anybody waits for it, whoever came first; when it fails, the first one has
 * the failure, and the others make their own calls. An answer that is not to be shared is known by its head or by the
 * length before its message, so that it needs not be kept whole.
 */
export class Flight implements Reply {
  readonly #plan: FlightPlan;
  readonly #others = new Set<Passenger>();
  #first: Passenger | undefined;
  #state: State = 'collecting';
  /** The first one gets what was collected: a grant passed on now would bring what comes behind it too early. */
  #isCatchingUp = false;
  #body: Body | undefined = undefined;
  #head: ResponseHead | undefined = undefined;
  #freshness: Freshness | undefined = undefined;
  readonly #collected = new CollectedMessage();

  constructor(plan: FlightPlan, first: Passenger) {
    this.#plan = plan;
    this.#first = first;
  }

  /** `request` is within the initial credit. */
  start(next: Service, request: readonly Uint8Array[]): void {
    const body = next(this.#plan.head, this);
    this.#body = body;
    for (const piece of request) if (!this.#isOver()) body.write(piece);
    if (!this.#isOver()) body.end();
  }

  waiting(): number {
    return this.#others.size;
  }

  join(passenger: Passenger): void {
    this.#others.add(passenger);
  }

  leave(passenger: Passenger, reason: Cancel): void {
    if (this.#isOver()) return;
    this.#others.delete(passenger);
    if (passenger === this.#first) this.#first = undefined;
    const isWanted = this.#first !== undefined || (this.#state === 'collecting' && this.#others.size > 0);
    if (!isWanted) this.#cancel(reason);
  }

  /** Room for reply bytes of the first one, once it watches. */
  grantReply(bytes: number): void {
    if (this.#state === 'passing' && !this.#isCatchingUp) this.#body?.grant(bytes);
  }

  head(head: ResponseHead): void {
    if (this.#isOver() || this.#head !== undefined) return;
    this.#head = head;
    if (head.status === 200) this.#freshness = freshnessOf(head.fields, this.#plan.policy);
    if (this.#freshness === undefined) this.#pass();
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'passing') this.#first?.reply.write(bytes);
    if (this.#state !== 'collecting' || bytes.length === 0) return;
    const hadLength = this.#collected.isLengthKnown();
    this.#collected.append(bytes);
    if (!this.#collected.isLengthKnown()) return;
    const { wholeBytes } = this.#collected;
    if (wholeBytes > this.#plan.maxAnswerBytes) return this.#pass();
    if (this.#collected.size > wholeBytes) return this.#failAll(MANY);
    const missing = wholeBytes - INITIAL_CREDIT_BYTES;
    // Last, since what comes next may come inside of it.
    if (!hadLength && missing > 0) this.#body?.grant(missing);
  }

  end(trailers: Fields): void {
    if (this.#state === 'passing') {
      this.#state = 'over';
      this.#first?.reply.end(trailers);
    }
    if (this.#state !== 'collecting') return;
    const answer: Answer = { head: this.#head, bytes: this.#collected.take(), trailers };
    const isWhole = getField(trailers, 'grpc-status') === '0' && answer.bytes.length === this.#collected.wholeBytes;
    const first = this.#land(isWhole ? answer : undefined);
    first?.play(answer);
    if (isWhole) this.#release((other) => other.play(answer));
    else this.#release((other) => other.goAlone());
  }

  fail(error: CallError): void {
    if (this.#state === 'passing') {
      this.#state = 'over';
      this.#first?.reply.fail(error);
    }
    if (this.#state !== 'collecting') return;
    const first = this.#land(undefined);
    first?.fail(error);
    this.#release((other) => other.goAlone());
  }

  /** The request is within the initial credit. */
  grant(): void {}

  #isOver(): boolean {
    return this.#state === 'over';
  }

  /** From now on the answer is the first one's alone. Nothing was granted yet but what callers have from the start. */
  #pass(): void {
    const first = this.#land(undefined);
    if (first === undefined) this.#body?.cancel('superseded');
    else this.#passTo(first);
    this.#release((other) => other.goAlone());
  }

  #passTo(first: Passenger): void {
    this.#state = 'passing';
    this.#first = first;
    this.#isCatchingUp = true;
    first.watch();
    if (this.#head !== undefined) first.reply.head(this.#head);
    const bytes = this.#collected.take();
    if (bytes.length > 0 && !this.#isOver()) first.reply.write(bytes);
    this.#isCatchingUp = false;
    if (first.granted > 0 && !this.#isOver()) this.#body?.grant(first.granted);
  }

  #failAll(error: CallError): void {
    const first = this.#land(undefined);
    this.#body?.cancel('protocol-error');
    first?.fail(error);
    this.#release((other) => other.fail(error));
  }

  #cancel(reason: Cancel): void {
    this.#land(undefined);
    this.#body?.cancel(reason);
  }

  /** Nobody can join from here on. */
  #land(answer: Answer | undefined): Passenger | undefined {
    if (this.#state === 'collecting') this.#plan.onLanded(answer, answer && this.#freshness);
    this.#state = 'over';
    const first = this.#first;
    this.#first = undefined;
    return first;
  }

  /** Each may start calls, which may come back here. */
  #release(tell: (other: Passenger) => void): void {
    const others = [...this.#others];
    this.#others.clear();
    for (const other of others) tell(other);
  }
}
