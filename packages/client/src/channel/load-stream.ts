import { Code, type Clock, type Outcome, type Service, type Timer } from '@bascule/core';
import { createBackoff, type Backoff } from '@bascule/discovery';
import { LoadQuestion } from './load-question.ts';

export interface LoadStreamOptions {
  readonly clock: Clock;
  /** The way to the endpoint. */
  readonly service: Service;
  /** A report came: an OrcaLoadReport. */
  onReport(bytes: Uint8Array): void;
}

/**
 * - `asking`: a stream is open.
 * - `pausing`: it has ended; another comes after a time.
 * - `refused`: the endpoint has no such service, and is not asked again.
 */
type State =
  | { readonly name: 'off' | 'refused' }
  | { readonly name: 'asking'; readonly question: LoadQuestion }
  | { readonly name: 'pausing'; readonly timer: Timer };

/** As gRPC's connections wait. Source: grpc/doc/connection-backoff.md, which grpc-go's reports go by too. */
const FIRST_DELAY_MS = 1_000;
const MAX_DELAY_MS = 120_000;

/** Asks one endpoint for its load, again and again. Source: gRFC A51, out of band. */
export class LoadStream {
  readonly #options: LoadStreamOptions;
  #periodMs = 0;
  #state: State = { name: 'off' };
  readonly #backoff: Backoff;

  constructor(options: LoadStreamOptions) {
    this.#options = options;
    this.#backoff = createBackoff(options.clock, FIRST_DELAY_MS, MAX_DELAY_MS);
  }

  /** Asks for a report each so many ms from now on. */
  start(periodMs: number): void {
    if (periodMs === this.#periodMs) return;
    this.#periodMs = periodMs;
    if (this.#state.name !== 'refused') this.#ask();
  }

  stop(): void {
    this.#become({ name: 'off' });
  }

  #ask(): void {
    const { service, clock } = this.#options;
    const question = new LoadQuestion({
      clock,
      service,
      periodMs: this.#periodMs,
      onReport: (bytes) => {
        this.#backoff.reset();
        this.#options.onReport(bytes);
      },
      onEnd: (outcome) => this.#ended(outcome),
    });
    this.#become({ name: 'asking', question });
    question.begin();
  }

  #ended({ code }: Outcome): void {
    if (code === Code.unimplemented) return this.#become({ name: 'refused' });
    const timer = this.#options.clock.after(this.#backoff.next(), () => this.#ask());
    this.#become({ name: 'pausing', timer });
  }

  #become(state: State): void {
    if (this.#state.name === 'pausing') this.#state.timer.cancel();
    if (this.#state.name === 'asking') this.#state.question.leave();
    this.#state = state;
  }
}
