import type { CallError, Cancel } from '@bascule/core';
import { HeldCall, type HeldParts } from './held-call.ts';

/** A call that waits for somebody else's word: one of {@link resume} and {@link refuse} ends the wait. */
export class PausedCall extends HeldCall {
  readonly #onGone: () => void;

  /** `onGone` runs when the caller gives up while the call waits. */
  constructor(parts: HeldParts, onGone: () => void = () => {}) {
    super(parts);
    this.#onGone = onGone;
  }

  /** Lets the call go on; nothing after it has ended. */
  resume(): void {
    this.start();
  }

  /** Refuses the call; nothing after it has ended. */
  override refuse(error: CallError): void {
    super.refuse(error);
  }

  override cancel(reason: Cancel): void {
    const isWaiting = this.isHolding();
    super.cancel(reason);
    if (isWaiting) this.#onGone();
  }
}
