import {
  Code,
  INITIAL_CREDIT_BYTES,
  KeptBytes,
  outcomeOfEnd,
  withField,
  type Body,
  type CallError,
  type Cancel,
  type Clock,
  type Fields,
  type Layer,
  type Reply,
  type RequestHead,
  type ResponseHead,
  type Service,
  type Timer,
} from '@bascule/core';
import { ReplayBuffer } from './replay-buffer.ts';
import type { RetryBudget } from './retry-budget.ts';
import { decideRetry, pushbackOf, spendRetry, type Failure, type RetryKind, type Spent } from './retry-decision.ts';

export interface RetryPolicy {
  /** Attempts in all, the first one included; transparent repeats do not count. 1 is no repeat by policy. Default 3. */
  readonly maxAttempts: number;
  /** Request bytes kept for another attempt. A call that writes more cannot be repeated. Default 256 KiB. */
  readonly maxBufferBytes: number;
  /** How long a stream's head is held back while the call could still be repeated, in ms. Unary calls hold it always. */
  readonly holdHeadMs: number;
}

export interface RetryOptions {
  readonly clock: Clock;
  readonly budget: RetryBudget;
  policyOf(head: RequestHead): RetryPolicy;
  /** Told of each repeat before it starts. */
  onRetry?(head: RequestHead, kind: RetryKind): void;
}

/** Answer bytes of a unary call held back: below the initial credit, beyond which a callee would wait for a grant. */
const MAX_HELD_BYTES = 32_768;

/**
 * Repeats calls that failed, as long as nothing of an answer has reached the caller: those that provably were not
 * processed, and those that were `unavailable` where the method says that repeating does no harm. Stands outside of the
 * pick, so that each attempt gets another endpoint.
 */
export function createRetryLayer(options: RetryOptions): Layer {
  return (next) => (head, reply) => {
    options.budget.deposit();
    const call = new RetriedCall({ head, reply, next, options });
    call.start();
    return call;
  };
}

interface CallParts {
  readonly head: RequestHead;
  readonly reply: Reply;
  readonly next: Service;
  readonly options: RetryOptions;
}

/**
 * - `trying`: an attempt runs; nothing of its answer has reached the caller.
 * - `waiting`: the last attempt failed, the next one is due.
 * - `committed`: this attempt's answer is the call's answer.
 * - `ending`: the callee has ended; its held head is on the way out.
 */
type State = 'trying' | 'waiting' | 'committed' | 'ending' | 'over';

/** The caller's side, and what all attempts share. */
class RetriedCall implements Body {
  readonly #parts: CallParts;
  readonly #policy: RetryPolicy;
  readonly #buffer = new ReplayBuffer();
  #state: State = 'trying';
  #attempt: Attempt | undefined = undefined;
  #heldHead: ResponseHead | undefined = undefined;
  #heldBytes: KeptBytes | undefined = undefined;
  #holding: Timer | undefined = undefined;
  #pausing: Timer | undefined = undefined;
  #spent: Spent | undefined = undefined;
  /** The caller has ended its side. */
  #ended = false;
  /** Request bytes granted to the caller beyond the initial credit: the most that any attempt so far allowed. */
  #granted = 0;
  /** Reply bytes granted by the caller; each attempt gets all of it, as nothing of the others' replies was passed on. */
  #replyGranted = 0;

  constructor(parts: CallParts) {
    this.#parts = parts;
    this.#policy = parts.options.policyOf(parts.head);
  }

  start(): void {
    const attempt = new Attempt(this);
    this.#attempt = attempt;
    this.#state = this.#buffer.keeps ? 'trying' : 'committed';
    attempt.body = this.#parts.next(this.#attemptHead(), attempt);
    if (this.#replyGranted > 0) attempt.body.grant(this.#replyGranted);
    this.#pump(attempt);
  }

  write(bytes: Uint8Array): void {
    if (this.#isOver() || this.#ended || bytes.length === 0) return;
    const attempt = this.#attempt;
    if (attempt?.body !== undefined && bytes.length <= attempt.credit && !this.#buffer.hasMore()) {
      this.#buffer.appendTaken(bytes);
      attempt.credit -= bytes.length;
      attempt.body.write(bytes);
    } else {
      // What a later attempt has not granted yet, although an earlier one did.
      this.#buffer.append(bytes);
      if (attempt !== undefined) this.#pump(attempt);
    }
    // Last, since it may grant, and the caller may then write the next bytes at once.
    this.#limit();
  }

  end(): void {
    if (this.#isOver() || this.#ended) return;
    this.#ended = true;
    if (this.#attempt !== undefined) this.#pump(this.#attempt);
  }

  cancel(reason: Cancel): void {
    if (this.#state === 'over') return;
    const attempt = this.#attempt;
    this.#finish();
    attempt?.body?.cancel(reason);
  }

  grant(bytes: number): void {
    if (this.#isOver()) return;
    this.#replyGranted += bytes;
    this.#attempt?.body?.grant(bytes);
  }

  onHead(attempt: Attempt, head: ResponseHead): void {
    if (attempt !== this.#attempt) return;
    if (this.#state === 'committed') {
      this.#parts.reply.head(head);
      return;
    }
    this.#heldHead = head;
    if (!this.#mayRepeat()) this.#commit();
    else if (this.#parts.head.call.method?.kind !== 'unary') this.#holdHead();
  }

  onWrite(attempt: Attempt, bytes: Uint8Array): void {
    if (attempt !== this.#attempt || bytes.length === 0 || this.#hold(bytes)) return;
    this.#commit();
    // The caller may have left on the head.
    if (attempt === this.#attempt) this.#parts.reply.write(bytes);
  }

  onEnd(attempt: Attempt, trailers: Fields): void {
    if (attempt !== this.#attempt) return;
    if (this.#state === 'trying') {
      const { code } = outcomeOfEnd(this.#heldHead, trailers);
      const failure: Failure = { code, processed: 'maybe', final: false, pushback: pushbackOf(trailers) };
      if (code !== Code.ok && this.#tryAgain(failure)) return;
    }
    const head = this.#heldHead;
    const held = this.#heldBytes;
    this.#finish();
    if (head !== undefined) {
      this.#state = 'ending';
      this.#parts.reply.head(head);
      this.#passHeld(held, 'ending');
      if (!this.#isState('ending')) return;
      this.#state = 'over';
    }
    this.#parts.reply.end(trailers);
  }

  onFail(attempt: Attempt, error: CallError): void {
    if (attempt !== this.#attempt) return;
    if (this.#state === 'trying') {
      const { code, processed, final = false } = error;
      if (this.#tryAgain({ code, processed, final, pushback: undefined })) return;
    }
    this.#finish();
    this.#parts.reply.fail(error);
  }

  onGrant(attempt: Attempt, bytes: number): void {
    if (attempt !== this.#attempt) return;
    attempt.credit += bytes;
    attempt.granted += bytes;
    this.#pump(attempt);
    this.#passGrants();
    this.#limit();
  }

  #isOver(): boolean {
    return this.#state === 'over' || this.#state === 'ending';
  }

  /** Reads the state anew: calls outward may come back and change it. */
  #isState(state: State): boolean {
    return this.#state === state;
  }

  /** Whether a callee's own failure could still lead to another attempt: only then is a head worth holding. */
  #mayRepeat(): boolean {
    return isRepeatable(this.#parts.head) && (this.#spent?.counted ?? 1) < this.#policy.maxAttempts;
  }

  /** Clients that wait for the head of a stream, as `fetch` does, must not hang until the first message. */
  #holdHead(): void {
    if (this.#policy.holdHeadMs <= 0) this.#commit();
    else this.#holding = this.#parts.options.clock.after(this.#policy.holdHeadMs, () => this.#commit());
  }

  /**
   * A unary call's caller has no use for its message before the status, and a backend that dies between the two would
   * leave it with half an answer that nobody can take back.
   */
  #hold(bytes: Uint8Array): boolean {
    if (this.#state !== 'trying' || this.#parts.head.call.method?.kind !== 'unary' || !this.#mayRepeat()) return false;
    const held = (this.#heldBytes ??= new KeptBytes());
    if (held.size + bytes.length > MAX_HELD_BYTES) return false;
    held.append(bytes);
    return true;
  }

  /** As long as nobody has left meanwhile. */
  #passHeld(held: KeptBytes | undefined, state: State): void {
    if (held === undefined) return;
    for (const bytes of held.takeAll()) if (this.#isState(state)) this.#parts.reply.write(bytes);
  }

  /** Gives the attempt what it lacks of the request, within its credit. */
  #pump(attempt: Attempt): void {
    const { body } = attempt;
    if (body === undefined) return;
    while (attempt === this.#attempt && attempt.credit > 0 && this.#buffer.hasMore()) {
      const bytes = this.#buffer.take(attempt.credit);
      attempt.credit -= bytes.length;
      body.write(bytes);
    }
    if (attempt === this.#attempt && this.#ended && attempt.upload === 'open' && !this.#buffer.hasMore()) {
      attempt.upload = 'ended';
      body.end();
    }
  }

  /**
   * While the call can be repeated, the caller gets no more credit than the buffer has room. Without the bound, a
   * generous first attempt would leave us with its whole window in memory when a second one grants less.
   */
  #passGrants(): void {
    if (this.#attempt === undefined) return;
    const bound = this.#buffer.keeps ? this.#policy.maxBufferBytes - INITIAL_CREDIT_BYTES : Infinity;
    const bytes = Math.min(this.#attempt.granted, bound) - this.#granted;
    if (bytes <= 0) return;
    this.#granted += bytes;
    this.#parts.reply.grant(bytes);
  }

  /** A large request gives up its second chance, once it is over the limit or half-way there and held back by it. */
  #limit(): void {
    const { keeps, size } = this.#buffer;
    if (!keeps) return;
    const isHeldBack = (this.#attempt?.granted ?? 0) > this.#granted;
    if (size > this.#policy.maxBufferBytes || (isHeldBack && size * 2 >= this.#policy.maxBufferBytes)) this.#commit();
  }

  /** Makes the running attempt, or the one that is due, the last one. */
  #commit(): void {
    if (this.#state !== 'trying' && this.#state !== 'waiting') return;
    this.#buffer.commit();
    this.#holding?.cancel();
    if (this.#state === 'waiting') return;
    this.#state = 'committed';
    const head = this.#heldHead;
    const held = this.#heldBytes;
    this.#heldHead = undefined;
    this.#heldBytes = undefined;
    if (head !== undefined) this.#parts.reply.head(head);
    this.#passHeld(held, 'committed');
    this.#passGrants();
  }

  #tryAgain(failure: Failure): boolean {
    const { head, options } = this.#parts;
    const spent = (this.#spent ??= { counted: 1, neverSent: 0, refused: 0, backoffs: 0 });
    const { maxAttempts } = this.#policy;
    const { clock, budget } = options;
    const decision = decideRetry({ failure, spent, maxAttempts, repeatable: isRepeatable(head), clock });
    if (decision.kind === 'give-up') return false;
    const { deadlineMs } = head.call;
    // The caller learns the reason now rather than nothing but a deadline later.
    if (deadlineMs !== undefined && clock.nowMs() + decision.delayMs >= deadlineMs) return false;
    if (decision.kind === 'policy' && !budget.tryWithdraw()) return false;
    spendRetry(spent, decision, failure);
    this.#pause(decision.kind, decision.delayMs);
    return true;
  }

  #pause(kind: RetryKind, delayMs: number): void {
    this.#state = 'waiting';
    this.#attempt = undefined;
    this.#heldHead = undefined;
    this.#heldBytes = undefined;
    this.#holding?.cancel();
    this.#buffer.rewind();
    const resume = (): void => {
      if (this.#state !== 'waiting') return;
      this.#parts.options.onRetry?.(this.#parts.head, kind);
      this.start();
    };
    // Not at once: the link that failed this call may still be failing others, and be picked again.
    if (kind === 'transparent') queueMicrotask(resume);
    else this.#pausing = this.#parts.options.clock.after(delayMs, resume);
  }

  #finish(): void {
    this.#state = 'over';
    this.#attempt = undefined;
    this.#heldHead = undefined;
    this.#heldBytes = undefined;
    this.#holding?.cancel();
    this.#pausing?.cancel();
    this.#buffer.clear();
  }

  #attemptHead(): RequestHead {
    const { head } = this.#parts;
    const previous = (this.#spent?.counted ?? 1) - 1;
    if (previous === 0) return head;
    return { ...head, fields: withField(head.fields, 'grpc-previous-rpc-attempts', String(previous)) };
  }
}

/** The callee's side of one attempt. What an attempt says after its end is dropped by the call. */
class Attempt implements Reply {
  body: Body | undefined = undefined;
  /** Request bytes it may still get. */
  credit = INITIAL_CREDIT_BYTES;
  /** Request bytes it granted in all. */
  granted = 0;
  upload: 'open' | 'ended' = 'open';
  readonly #call: RetriedCall;

  constructor(call: RetriedCall) {
    this.#call = call;
  }

  head(head: ResponseHead): void {
    this.#call.onHead(this, head);
  }

  write(bytes: Uint8Array): void {
    this.#call.onWrite(this, bytes);
  }

  end(trailers: Fields): void {
    this.#call.onEnd(this, trailers);
  }

  fail(error: CallError): void {
    this.#call.onFail(this, error);
  }

  grant(bytes: number): void {
    this.#call.onGrant(this, bytes);
  }
}

function isRepeatable(head: RequestHead): boolean {
  const idempotency = head.call.method?.idempotency;
  return idempotency === 'no_side_effects' || idempotency === 'idempotent';
}
