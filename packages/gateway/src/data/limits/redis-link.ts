import type { Clock, Timer } from '@bascule/core';
import { afterPatiently } from './patience.ts';
import { inTime, openSession, type Session } from './redis-session.ts';

export interface RedisLinkOptions {
  readonly clock: Clock;
  readonly url: string;
  readonly ca: string | undefined;
  /** How long an answer may take, in ms. */
  readonly timeoutMs: number;
  /** A key that may be written, to see whether any may. */
  readonly probeKey: string;
  onChange(state: 'up' | 'down', reason: string): void;
}

/** What came back; undefined is nothing in time. */
type Listener = (answers: readonly number[] | undefined) => void;

/**
 * - `opening`: a connection is being made, and tried
 * - `up`: questions go there
 * - `waiting`: nothing is asked until it is time to try again
 */
type State =
  | { readonly name: 'opening' }
  | { readonly name: 'up'; readonly session: Session }
  | { readonly name: 'waiting'; readonly timer: Timer }
  | { readonly name: 'closed' };

const MIN_BACKOFF_MS = 100;
const MAX_BACKOFF_MS = 5_000;
const CONNECT_TIMEOUT_MS = 1_000;

/**
 * The way to a Redis that may be lost at any time. The first answer that does not come in time closes the connection: what
 * has hung once would hang for each call, and a stopped process keeps connections open. A new one counts as up when it has
 * answered within the time that calls have, so that a Redis that is merely slow is not asked again and again by calls.
 */
export class RedisLink {
  readonly #options: RedisLinkOptions;
  #state: State = { name: 'opening' };
  #backoffMs = MIN_BACKOFF_MS;
  #lastReason = '';
  /** Batches without an answer yet. */
  readonly #asked = new Set<Listener>();

  constructor(options: RedisLinkOptions) {
    this.#options = options;
    void this.#open();
  }

  isUp(): boolean {
    return this.#state.name === 'up';
  }

  /** `listener` is told exactly once, after this has returned. */
  take(keys: readonly string[], values: readonly string[], listener: Listener): void {
    const state = this.#state;
    if (state.name !== 'up') return queueMicrotask(() => listener(undefined));
    const { session } = state;
    this.#asked.add(listener);
    const { clock, timeoutMs } = this.#options;
    const timer = afterPatiently(clock, timeoutMs, () => this.#lose(session, 'it does not answer in time'));
    const settle = (answers: readonly number[] | undefined): void => {
      timer.cancel();
      if (this.#asked.delete(listener)) listener(answers);
    };
    session.take(keys, values).then(
      (answers) => {
        this.#backoffMs = MIN_BACKOFF_MS;
        settle(answers);
      },
      (error: unknown) => {
        settle(undefined);
        this.#lose(session, reasonOf(error));
      },
    );
  }

  close(): void {
    const state = this.#state;
    this.#state = { name: 'closed' };
    if (state.name === 'waiting') state.timer.cancel();
    if (state.name === 'up') state.session.destroy();
    this.#giveUpAsked();
  }

  async #open(): Promise<void> {
    const { clock, url, ca, timeoutMs, probeKey } = this.#options;
    try {
      const session = await openSession({
        url,
        ca,
        clock,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        onLost: (reason) => this.#lose(session, reason),
      });
      await inTime(clock, timeoutMs, session.take([probeKey], ['1', '0'])).catch((error: unknown) => {
        session.destroy();
        throw error;
      });
      if (this.#state.name !== 'opening') return session.destroy();
      this.#state = { name: 'up', session };
      this.#lastReason = '';
      this.#options.onChange('up', '');
    } catch (error) {
      if (this.#state.name === 'opening') this.#wait(reasonOf(error));
    }
  }

  #lose(session: Session, reason: string): void {
    session.destroy();
    if (this.#state.name !== 'up' || this.#state.session !== session) return;
    this.#wait(reason);
    this.#giveUpAsked();
  }

  #wait(reason: string): void {
    const { clock } = this.#options;
    // Half of it by chance: gateways that lost it together must not come back together.
    const delayMs = this.#backoffMs * (0.5 + clock.random() / 2);
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, this.#backoffMs * 2);
    const timer = clock.after(delayMs, () => {
      this.#state = { name: 'opening' };
      void this.#open();
    });
    this.#state = { name: 'waiting', timer };
    // The same trouble again and again is told once.
    if (reason === this.#lastReason) return;
    this.#lastReason = reason;
    this.#options.onChange('down', reason);
  }

  #giveUpAsked(): void {
    const asked = [...this.#asked];
    this.#asked.clear();
    for (const listener of asked) listener(undefined);
  }
}

/** Words of the client and of Redis; neither holds the password. Where in the script it was is nobody's business. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message.replace(/ script: .*$/s, '') : '';
  return message === '' ? 'it cannot be reached' : message;
}
