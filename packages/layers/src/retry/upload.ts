import { INITIAL_CREDIT_BYTES, type Reply } from '@bascule/core';
import type { Attempt } from './attempt.ts';
import type { Attempts } from './attempts.ts';
import { ReplayBuffer } from './replay-buffer.ts';

/** The caller's side of a call that may have several attempts: its bytes for each of them, and its credit from all. */
export class Upload {
  readonly #buffer = new ReplayBuffer();
  readonly #attempts: Attempts;
  readonly #reply: Reply;
  readonly #maxBytes: number;
  #state: 'open' | 'ended' = 'open';
  /** Request bytes granted to the caller beyond the initial credit: the most that any attempt so far allowed. */
  #granted = 0;

  constructor(attempts: Attempts, reply: Reply, maxBytes: number) {
    this.#attempts = attempts;
    this.#reply = reply;
    this.#maxBytes = maxBytes;
  }

  /** The request is kept whole, for other attempts. */
  get keeps(): boolean {
    return this.#buffer.keeps;
  }

  write(bytes: Uint8Array): void {
    if (this.#state === 'ended' || bytes.length === 0) return;
    const { only } = this.#attempts;
    if (only?.body !== undefined && bytes.length <= only.credit && !this.#buffer.hasMore(only)) {
      this.#buffer.appendTaken(only, bytes);
      only.credit -= bytes.length;
      only.sent += bytes.length;
      only.body.write(bytes);
    } else {
      // What another attempt has not granted yet, although one did; and what several get.
      this.#buffer.append(bytes);
      this.#pumpAll();
    }
  }

  end(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#pumpAll();
  }

  /** Gives the attempt what it lacks of the request, within its credit. */
  pump(attempt: Attempt): void {
    const { body } = attempt;
    if (body === undefined) return;
    while (!attempt.isOver && attempt.credit > 0 && this.#buffer.hasMore(attempt)) {
      const bytes = this.#buffer.take(attempt, attempt.credit);
      attempt.credit -= bytes.length;
      attempt.sent += bytes.length;
      body.write(bytes);
    }
    if (!attempt.isOver && this.#state === 'ended' && attempt.upload === 'open' && !this.#buffer.hasMore(attempt)) {
      attempt.upload = 'ended';
      body.end();
    }
  }

  /**
   * While the call can be repeated, the caller gets no more credit than the buffer has room. Without the bound, a
   * generous first attempt would leave us with its whole window in memory when a second one grants less.
   */
  passGrants(): void {
    const bound = this.#buffer.keeps ? this.#maxBytes - INITIAL_CREDIT_BYTES : Infinity;
    const bytes = Math.min(this.#attempts.mostGranted(), bound) - this.#granted;
    if (bytes <= 0) return;
    this.#granted += bytes;
    this.#reply.grant(bytes);
  }

  /** A large request gives up its second chance, once it is over the limit or half-way there and held back by it. */
  isTooLarge(): boolean {
    const { keeps, size } = this.#buffer;
    if (!keeps || size * 2 < this.#maxBytes) return false;
    return size > this.#maxBytes || this.#attempts.mostGranted() > this.#granted;
  }

  /** Keeps no more than this attempt lacks; without one, than the next one does. */
  commit(attempt: Attempt | undefined): void {
    this.#buffer.commit(attempt);
  }

  clear(): void {
    this.#buffer.clear();
  }

  #pumpAll(): void {
    const { only } = this.#attempts;
    if (only === undefined) this.#attempts.forEach((attempt) => this.pump(attempt));
    else this.pump(only);
  }
}
