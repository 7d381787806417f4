import { callError, Code, type Service, type Timer } from '@bascule/core';
import type { Backend } from './backend.ts';
import type { NodeTransportOptions } from './options.ts';
import { ProcessHold } from './process-hold.ts';
import { refuse } from './refusal.ts';
import type { TransportSettings } from './settings.ts';
import type { Target } from './target.ts';
import { createWay, type Way } from './way.ts';

const DEFAULT_IDLE_TIMEOUT_MS = 900_000;
/**
 * A link that cannot reach its server tries again after waits that grow to minutes, since it does so for nobody. Calls
 * are somebody: for them a new link is opened, at most this often while they wait,
 */
const REDIAL_MS = 250;
/** and at most this often for others, which cannot tell whether the link is just about to stand. */
const MAX_UNREADY_MS = 10_000;

export const CLOSED = { ...callError(Code.unavailable, 'the transport is closed', 'never-sent'), final: true as const };

/** A link that is opened by a call, replaced while the server cannot be reached, and closed when there was none for long. */
export class LinkBackend implements Backend {
  readonly isRepeatable = true;
  readonly saysTimeout = false;
  readonly #options: NodeTransportOptions;
  readonly #settings: TransportSettings;
  readonly #target: Target;
  readonly #idleTimeoutMs: number;
  readonly #hold = new ProcessHold();
  #state: 'open' | 'closed' = 'open';
  #way: Way | undefined = undefined;
  /** Since when the way has not been ready; undefined while it is. */
  #unreadySinceMs: number | undefined = undefined;
  readonly #closing = new Set<Promise<void>>();
  #calls = 0;
  #idleSinceMs = 0;
  #idling: Timer | undefined = undefined;

  constructor(options: NodeTransportOptions, settings: TransportSettings, target: Target) {
    this.#options = options;
    this.#settings = settings;
    this.#target = target;
    this.#idleTimeoutMs = options.idleTimeoutMs ?? DEFAULT_IDLE_TIMEOUT_MS;
  }

  readonly service: Service = (head, reply) => {
    if (this.#state === 'closed') return refuse(reply, CLOSED);
    this.#leaveUnready(MAX_UNREADY_MS);
    return (this.#way ??= this.#open()).service(head, reply);
  };

  redial(): void {
    this.#leaveUnready(REDIAL_MS);
  }

  enter(): void {
    if (++this.#calls === 1) this.#hold.take();
  }

  leave(): void {
    if (--this.#calls > 0) return;
    this.#hold.letGo();
    this.#idleSinceMs = this.#settings.clock.nowMs();
    // Nobody waits for a server that is away: the next call looks for it anew.
    if (this.#unreadySinceMs !== undefined) this.#leaveWay();
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#leaveWay();
    // Otherwise a program that waits for this, and holds nothing else, would end here.
    this.#hold.take();
    await Promise.all(this.#closing);
    this.#hold.end();
  }

  #open(): Way {
    const { clock } = this.#settings;
    const way = createWay(this.#options, this.#target, clock);
    this.#unreadySinceMs = way.link.isReady() ? undefined : clock.nowMs();
    way.link.onReadyChange((ready) => {
      if (way === this.#way) this.#unreadySinceMs = ready ? undefined : clock.nowMs();
    });
    this.#watch(this.#idleTimeoutMs);
    return way;
  }

  /** One timer per link, not per call: it looks back at when the last call ended. */
  #watch(delayMs: number): void {
    const { clock } = this.#settings;
    this.#idling = clock.after(delayMs, () => {
      const leftMs = this.#calls > 0 ? this.#idleTimeoutMs : this.#idleSinceMs + this.#idleTimeoutMs - clock.nowMs();
      if (leftMs > 0) this.#watch(leftMs);
      else this.#leaveWay();
    });
  }

  #leaveUnready(afterMs: number): void {
    const sinceMs = this.#unreadySinceMs;
    if (sinceMs !== undefined && this.#settings.clock.nowMs() - sinceMs >= afterMs) this.#leaveWay();
  }

  #leaveWay(): void {
    const way = this.#way;
    if (way === undefined) return;
    this.#idling?.cancel();
    this.#way = undefined;
    this.#unreadySinceMs = undefined;
    const closing = way.link.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}
