import { KeptBytes, type Body, type CallError, type Cancel, type Reply } from '@bascule/core';

/**
 * - `waiting`: no endpoint yet
 * - `handing`: the endpoint gets what was kept; what the caller writes meanwhile comes after it
 * - `started`: everything passes
 */
type State =
  | { readonly name: 'waiting' }
  | { readonly name: 'handing' | 'started'; readonly body: Body }
  | { readonly name: 'over' };

/**
 * A call without an endpoint yet. It keeps what the caller writes, which the initial credit bounds, and hands it on
 * when it starts. The lease's own call drops what comes after the end.
 */
export class PendingCall implements Body {
  /** Set by the pick: tries again to get an endpoint, and says whether there was one. */
  retry: () => boolean = () => false;
  #state: State = { name: 'waiting' };
  readonly #kept = new KeptBytes();
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
    this.#state = { name: 'handing', body };
    if (this.#granted > 0) body.grant(this.#granted);
    // The callee may grant inside `write`, and the caller write more at once: that must not overtake what is kept.
    while (this.#isHanding() && this.#kept.size > 0) {
      for (const bytes of this.#kept.takeAll()) if (this.#isHanding()) body.write(bytes);
    }
    if (!this.#isHanding()) return;
    this.#state = { name: 'started', body };
    if (this.#ended) body.end();
  }

  fail(error: CallError): void {
    if (this.#state.name !== 'waiting') return;
    this.#state = { name: 'over' };
    this.#kept.clear();
    this.#reply.fail(error);
  }

  write(bytes: Uint8Array): void {
    if (this.#state.name === 'started') this.#state.body.write(bytes);
    else if (this.#state.name !== 'over') this.#kept.append(bytes);
  }

  end(): void {
    if (this.#state.name === 'started') this.#state.body.end();
    else this.#ended = true;
  }

  grant(bytes: number): void {
    if (this.#state.name === 'waiting') this.#granted += bytes;
    else if (this.#state.name !== 'over') this.#state.body.grant(bytes);
  }

  cancel(reason: Cancel): void {
    const state = this.#state;
    this.#state = { name: 'over' };
    this.#kept.clear();
    if (state.name === 'waiting') this.#leave();
    else if (state.name !== 'over') state.body.cancel(reason);
  }

  #isHanding(): boolean {
    return this.#state.name === 'handing';
  }
}
