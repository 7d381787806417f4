import type { Clock, Timer } from '@bascule/core';

export interface LifetimeOptions {
  readonly clock: Clock;
  /** Milliseconds, give or take a tenth, so that sockets that came together do not go together. */
  readonly ageMs: number;
  /** Milliseconds without an open call. */
  readonly idleMs: number;
  /** Either is over. */
  expired(): void;
}

/** How long a socket may stay. */
export class Lifetime {
  private readonly options: LifetimeOptions;
  private readonly aged: Timer;
  private idle: Timer;
  private use: 'idle' | 'busy' = 'idle';
  private idleSinceMs: number;

  constructor(options: LifetimeOptions) {
    const { clock, ageMs, idleMs } = options;
    this.options = options;
    this.aged = clock.after(ageMs * (0.9 + 0.2 * clock.random()), () => options.expired());
    this.idleSinceMs = clock.nowMs();
    this.idle = clock.after(idleMs, () => this.check());
  }

  setBusy(): void {
    this.use = 'busy';
  }

  setIdle(): void {
    this.use = 'idle';
    this.idleSinceMs = this.options.clock.nowMs();
  }

  stop(): void {
    this.aged.cancel();
    this.idle.cancel();
  }

  // One timer that looks, not one per call: unary calls come and go by the thousand.
  private check(): void {
    const { clock, idleMs } = this.options;
    const leftMs = this.use === 'busy' ? idleMs : this.idleSinceMs + idleMs - clock.nowMs();
    if (leftMs <= 0) this.options.expired();
    else this.idle = clock.after(leftMs, () => this.check());
  }
}
