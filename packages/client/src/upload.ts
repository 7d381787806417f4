import { INITIAL_CREDIT_BYTES, type Body } from '@bascule/core';

/** Request bytes kept so that another attempt can have them too. A call that writes more cannot be repeated. */
const MAX_REPLAY_BYTES = 256 * 1024;

/**
 * The request of one call on its way: frames leave within credit, and stay until it is sure that no other attempt needs
 * them.
 */
export class Upload {
  #frames: Uint8Array[] = [];
  /** Where the current attempt is: frame, and byte of it. */
  #index = 0;
  #offset = 0;
  #size = 0;
  #credit = INITIAL_CREDIT_BYTES;
  #state: 'open' | 'ending' | 'ended' = 'open';
  #keeps = true;
  #pumping = false;
  /** Counts attempts: one that fails while it is written to must not get the next one's bytes. */
  #attempt = 0;

  /** `frame` is ours from now on. */
  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#size += frame.length;
    if (this.#size > MAX_REPLAY_BYTES) this.commit();
  }

  end(): void {
    if (this.#state === 'open') this.#state = 'ending';
  }

  grant(bytes: number): void {
    this.#credit += bytes;
  }

  /** Whether all that was pushed has left and more may. */
  hasRoom(): boolean {
    return this.#index === this.#frames.length && this.#credit > 0;
  }

  /** Whether another attempt can have all of the request. */
  canReplay(): boolean {
    return this.#keeps;
  }

  /** From now on there is no other attempt. */
  commit(): void {
    this.#keeps = false;
    this.#drop();
  }

  /** For another attempt: everything again. */
  rewind(): void {
    this.#index = 0;
    this.#offset = 0;
    this.#credit = INITIAL_CREDIT_BYTES;
    this.#attempt++;
    this.#pumping = false;
    if (this.#state === 'ended') this.#state = 'ending';
  }

  /** Writes what credit allows. Grants from inside only count: this loop goes on with them. */
  pump(body: Body, call: { isOver(): boolean }): void {
    if (this.#pumping) return;
    this.#pumping = true;
    const attempt = this.#attempt;
    while (this.#index < this.#frames.length && this.#credit > 0) {
      const frame = this.#frames[this.#index] as Uint8Array;
      const from = this.#offset;
      const count = Math.min(this.#credit, frame.length - from);
      this.#credit -= count;
      this.#offset += count;
      if (this.#offset === frame.length) {
        this.#index++;
        this.#offset = 0;
      }
      body.write(count === frame.length ? frame : frame.subarray(from, from + count));
      if (call.isOver() || attempt !== this.#attempt) return;
    }
    this.#pumping = false;
    if (!this.#keeps) this.#drop();
    if (this.#state !== 'ending' || this.#index < this.#frames.length) return;
    this.#state = 'ended';
    body.end();
  }

  #drop(): void {
    if (this.#pumping) return;
    this.#frames.splice(0, this.#index);
    this.#index = 0;
  }
}
