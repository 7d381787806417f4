import { MemberLease } from '@bascule/balancer';
import {
  CANCELED_OUTCOME,
  Code,
  callError,
  getField,
  MessageCounter,
  outcomeOfEnd,
  outcomeOfFail,
  trailersOf,
  type Body,
  type CallContext,
  type CallError,
  type Cancel,
  type Fields,
  type Lease,
  type Outcome,
  type Reply,
  type RequestHead,
  type ResponseHead,
} from '@bascule/core';
import type { ReadLoad } from './loads.ts';

/** Callers with less patience must not be able to have endpoints taken out. */
const FAIR_TIMEOUT_MS = 1_000;

/** Request field of streams whose callers can resume: they may be asked to, see `BalancingPolicy.respread`. */
const RESUMABLE = 'bascule-resumable';

const MOVED: Fields = [
  ...trailersOf(callError(Code.unavailable, 'the stream should be resumed: others have more room for it')),
  'bascule-resume',
  '1',
];

const DEADLINE_OUTCOME: Outcome = Object.freeze({ code: Code.deadlineExceeded, by: 'wire', message: '' });

/**
 * The callee's side of a call on a lent endpoint. It is the place for its own lease (`Balancer.pick` fills it): one
 * object for both, since calls are many.
 */
export class LeasedReply extends MemberLease implements Reply {
  over = false;
  #head: ResponseHead | undefined = undefined;
  #lease: Lease = this;
  #call: CallContext | undefined = undefined;
  #readLoad: ReadLoad | undefined = undefined;
  /** Of streams only: how fast unary calls are is known by their end, and they have no rate. */
  #answers: MessageCounter | undefined = undefined;
  #isAnswered = false;
  readonly #reply: Reply;

  constructor(reply: Reply) {
    super();
    this.#reply = reply;
  }

  /**
   * Runs the call on `lease`, which is this itself or something around it, and gives it back exactly once, however the
   * call ends. `readLoad` reads what the endpoint says of its load; undefined where nobody wants to know.
   */
  run(lease: Lease, head: RequestHead, readLoad?: ReadLoad): Body {
    this.#lease = lease;
    this.#call = head.call;
    this.#readLoad = readLoad;
    if (head.call.method?.kind === 'unary') return new LeasedBody(this, lease.service(head, this), undefined);
    this.#answers = new MessageCounter();
    const body = lease.service(head, this);
    if (getField(head.fields, RESUMABLE) !== undefined) this.movable(() => this.#moveOn(body));
    return new LeasedBody(this, body, new MessageCounter());
  }

  head(head: ResponseHead): void {
    if (this.over) return;
    this.#head = head;
    this.#showEndpoint();
    this.#reply.head(head);
  }

  write(bytes: Uint8Array): void {
    if (this.over) return;
    if (this.#answers !== undefined) this.#count(this.#answers, bytes);
    this.#reply.write(bytes);
  }

  grant(bytes: number): void {
    if (!this.over) this.#reply.grant(bytes);
  }

  end(trailers: Fields): void {
    if (this.over) return;
    this.#readLoad?.(this.#lease.endpoint, trailers);
    this.#showEndpoint();
    this.#giveBack(outcomeOfEnd(this.#head, trailers));
    this.#reply.end(trailers);
  }

  fail(error: CallError): void {
    if (this.over) return;
    this.#showEndpoint();
    this.#giveBack(outcomeOfFail(error));
    this.#reply.fail(error);
  }

  /** The caller gives up. */
  cancel(body: Body, reason: Cancel): void {
    if (this.over) return;
    this.#giveBack(reason === 'deadline' && this.#hadTime() ? DEADLINE_OUTCOME : CANCELED_OUTCOME);
    body.cancel(reason);
  }

  /** Asks the caller to resume elsewhere, where the balancer has more room. */
  #moveOn(body: Body): void {
    if (this.over) return;
    this.#giveBack(CANCELED_OUTCOME);
    body.cancel('superseded');
    this.#reply.end(MOVED);
  }

  /** Messages of the stream have passed, in either direction. */
  count(messages: number): void {
    for (let i = 0; i < messages; i++) this.#lease.moved();
  }

  #count(answers: MessageCounter, bytes: Uint8Array): void {
    const messages = answers.count(bytes);
    if (messages > 0 && !this.#isAnswered) {
      this.#isAnswered = true;
      this.#lease.answered();
    }
    this.count(messages);
  }

  /** Whether it speaks against the endpoint that it did not answer before the deadline. */
  #hadTime(): boolean {
    const { startedMs = 0, deadlineMs = 0 } = this.#call ?? {};
    return deadlineMs - startedMs >= FAIR_TIMEOUT_MS;
  }

  /** Of several attempts at once, the one that answers need not be the one that was picked last. */
  #showEndpoint(): void {
    if (this.#call !== undefined) this.#call.endpoint = this.#lease.endpoint;
  }

  #giveBack(outcome: Outcome): void {
    this.over = true;
    this.#lease.release(outcome);
  }
}

class LeasedBody implements Body {
  readonly #call: LeasedReply;
  readonly #body: Body;
  readonly #requests: MessageCounter | undefined;

  constructor(call: LeasedReply, body: Body, requests: MessageCounter | undefined) {
    this.#call = call;
    this.#body = body;
    this.#requests = requests;
  }

  write(bytes: Uint8Array): void {
    if (this.#call.over) return;
    if (this.#requests !== undefined) this.#call.count(this.#requests.count(bytes));
    this.#body.write(bytes);
  }

  end(): void {
    if (!this.#call.over) this.#body.end();
  }

  grant(bytes: number): void {
    if (!this.#call.over) this.#body.grant(bytes);
  }

  cancel(reason: Cancel): void {
    this.#call.cancel(this.#body, reason);
  }
}
