import type { Clock, Timer } from '@bascule/core';
import type { RespreadPolicy } from './balancing-policy.ts';

/** A call that can go on elsewhere. */
export interface Movable {
  /** Asks its caller to go on elsewhere. Once. */
  askToMove(): void;
}

/** A member as far as spreading looks at it. */
export interface Crowd {
  readonly usable: boolean;
  readonly weight: number;
  /** Its calls that can move, oldest first. */
  readonly movable: ReadonlySet<Movable>;
}

const INTERVAL_MS = 1_000;

/**
 * Spreads long streams again after endpoints have come: a stream that is open stays where it began, so new endpoints would
 * idle until old streams end. Each second members with clearly more than their share of the streams that can move ask
 * some of them to, a few at a time, since all of them at once would be a stampede of reconnects.
 */
export class Respreader {
  readonly #clock: Clock;
  readonly #crowds: () => Iterable<Crowd>;
  #policy: RespreadPolicy | undefined;
  #timer: Timer | undefined;
  /** Parts of a call that may be asked and were not yet, of rates below one a second. */
  #credit = 0;

  constructor(clock: Clock, crowds: () => Iterable<Crowd>) {
    this.#clock = clock;
    this.#crowds = crowds;
  }

  configure(policy: RespreadPolicy | undefined): void {
    this.#policy = policy;
    if (policy === undefined) this.close();
    else this.wake();
  }

  /** A call that can move has begun. */
  wake(): void {
    if (this.#policy === undefined || this.#timer !== undefined) return;
    this.#timer = this.#clock.after(INTERVAL_MS, () => {
      this.#timer = undefined;
      if (this.#spread()) this.wake();
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** True while there is anybody who could move. */
  #spread(): boolean {
    const { perSecond = 0, tolerancePercent = 0 } = this.#policy ?? {};
    const crowds = [...this.#crowds()];
    const usable = crowds.filter((crowd) => crowd.usable);
    const weight = usable.reduce((sum, crowd) => sum + crowd.weight, 0);
    const total = crowds.reduce((sum, { movable }) => sum + movable.size, 0);
    this.#credit = Math.min(Math.max(1, perSecond), this.#credit + (perSecond * INTERVAL_MS) / 1_000);
    if (weight > 0) {
      for (const crowd of crowds.toSorted((a, b) => b.movable.size - a.movable.size)) {
        // Who takes no calls has no share; but what is left there is for its own end to settle.
        if (!crowd.usable) continue;
        const fair = (total * crowd.weight) / weight;
        if (crowd.movable.size > Math.ceil(fair * (1 + tolerancePercent / 100))) this.#ask(crowd, Math.ceil(fair));
      }
    }
    return total > 0;
  }

  #ask({ movable }: Crowd, downTo: number): void {
    for (const call of [...movable].slice(0, movable.size - downTo)) {
      if (this.#credit < 1) return;
      this.#credit--;
      call.askToMove();
    }
  }
}
