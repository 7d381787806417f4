import type { Body, CallError, Cancel, Reply } from '@bascule/core';

type State =
  | { readonly name: 'waiting' }
  | { readonly name: 'started'; readonly body: Body }
  | { readonly name: 'over' };

/**
 * A call without an endpoint yet. It keeps what the caller writes, which the initial credit bounds, and hands it on
 * when it starts.
 */
export class PendingCall implements Body {
  /** Set by the pick: tries again to get an endpoint. */
  retry: () => void = () => {};
  #state: State = { name: 'waiting' };
  readonly #kept: Uint8Array[] = [];
  #ended = false;
  #granted = 0;
  readonly #reply: Reply;
  readonly #leave: () => void;

  constructor(reply: Reply, leave: () => void) {
    this.#reply = reply;
    this.#leave = leave;
  }

  start(run: (reply: Reply) => Body): void {
    if (this.#state.name !== 'waiting') return;
    const body = run(this.#reply);
    this.#state = { name: 'started', body };
    if (this.#granted > 0) body.grant(this.#granted);
    for (const bytes of this.#kept) body.write(bytes);
    this.#kept.length = 0;
    if (this.#ended) body.end();
  }

  fail(error: CallError): void {
    if (this.#state.name !== 'waiting') return;
    this.#state = { name: 'over' };
    this.#kept.length = 0;
    this.#reply.fail(error);
  }

  write(bytes: Uint8Array): void {
    if (this.#state.name === 'started') this.#state.body.write(bytes);
    // Not slice(): of a Buffer that is a view.
    else if (this.#state.name === 'waiting') this.#kept.push(new Uint8Array(bytes));
  }

  end(): void {
    if (this.#state.name === 'started') this.#state.body.end();
    else this.#ended = true;
  }

  grant(bytes: number): void {
    if (this.#state.name === 'started') this.#state.body.grant(bytes);
    else this.#granted += bytes;
  }

  cancel(reason: Cancel): void {
    const state = this.#state;
    this.#state = { name: 'over' };
    this.#kept.length = 0;
    if (state.name === 'started') state.body.cancel(reason);
    else if (state.name === 'waiting') this.#leave();
  }
}
