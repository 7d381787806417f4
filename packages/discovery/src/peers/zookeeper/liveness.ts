import type { Clock, Timer } from '@bascule/core';

const HANDSHAKE_MS = 5_000;

/** What is to be done when it is time. */
export interface LivenessActions {
  ping(): void;
  /** The connection hangs, whatever TCP says; `why` is for people. */
  giveUp(why: string): void;
}

/** Keeps a session from running out, and notices a server that says nothing. */
export class Liveness {
  readonly #clock: Clock;
  readonly #actions: LivenessActions;
  #heardMs: number;
  #silence: Timer;
  #pinging: Timer | undefined;

  constructor(clock: Clock, actions: LivenessActions) {
    this.#clock = clock;
    this.#actions = actions;
    this.#heardMs = clock.nowMs();
    this.#silence = clock.after(HANDSHAKE_MS, () => actions.giveUp(`no answer within ${HANDSHAKE_MS} ms`));
  }

  heard(): void {
    this.#heardMs = this.#clock.nowMs();
  }

  /** The session begins, and lasts so long without a word: one ping in every third of it. */
  begin(timeoutMs: number): void {
    this.#silence.cancel();
    this.#watch((timeoutMs * 2) / 3);
    this.#ping(timeoutMs / 3);
  }

  /** No answer to any more is waited for longer than this. */
  endWithin(limitMs: number): void {
    this.end();
    this.#silence = this.#clock.after(limitMs, () => this.#actions.giveUp(`no answer within ${limitMs} ms`));
  }

  end(): void {
    this.#silence.cancel();
    this.#pinging?.cancel();
  }

  #ping(everyMs: number): void {
    this.#pinging = this.#clock.after(everyMs, () => {
      this.#ping(everyMs);
      this.#actions.ping();
    });
  }

  /** Two pings unanswered leave a third of the time to go on with the session on another server. */
  #watch(limitMs: number): void {
    const leftMs = this.#heardMs + limitMs - this.#clock.nowMs();
    if (leftMs <= 0) this.#actions.giveUp(`no word for ${Math.round(limitMs)} ms: it hangs`);
    else this.#silence = this.#clock.after(leftMs, () => this.#watch(limitMs));
  }
}
