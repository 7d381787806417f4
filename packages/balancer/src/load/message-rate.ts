/** Messages per second over an endpoint's streams. */
export interface MessageRate {
  /** True while nothing has moved of late: `perSecond` is 0 then, at any time. */
  readonly isIdle: boolean;
  /** A message has passed. One addition: it looks at no clock. */
  moved(): void;
  /** Rate of about the last second; sinks to 0 when nothing moves. */
  perSecond(nowMs: number): number;
}

/** Mean lifetime of what has been counted. */
const DECAY_MS = 1_000;
/** Counts are taken into the average no more often: rates over shorter times are noise. */
const STEP_MS = 100;
/** Below this a rate is none: averages sink for ever, and `isIdle` would never come back. */
const LEAST_PER_SECOND = 0.01;

/** Makes the rate of an endpoint. `nowMs` is the monotonic moment from which it counts. */
export function createMessageRate(nowMs: number): MessageRate {
  return new DecayingRate(nowMs);
}

class DecayingRate implements MessageRate {
  #count = 0;
  #rate = 0;
  #sinceMs: number;

  constructor(nowMs: number) {
    this.#sinceMs = nowMs;
  }

  get isIdle(): boolean {
    return this.#count === 0 && this.#rate === 0;
  }

  moved(): void {
    this.#count++;
  }

  perSecond(nowMs: number): number {
    const elapsedMs = nowMs - this.#sinceMs;
    if (elapsedMs < STEP_MS) return this.#rate;
    const kept = Math.exp(-elapsedMs / DECAY_MS);
    const rate = this.#rate * kept + ((this.#count * 1_000) / elapsedMs) * (1 - kept);
    this.#rate = rate < LEAST_PER_SECOND ? 0 : rate;
    this.#count = 0;
    this.#sinceMs = nowMs;
    return this.#rate;
  }
}
