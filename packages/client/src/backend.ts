import { callError, Code, type Service, type Timer } from '@bascule/core';
import { refuse } from './refusal.ts';
import { checkWay, createWay, type Way } from './way.ts';
import type { NodeTransportOptions } from './options.ts';
import type { Target } from './target.ts';
import type { TransportSettings } from './settings.ts';

/** Where a transport's calls go. */
export interface Backend {
  readonly service: Service;
  /** A call has begun. */
  enter(): void;
  /** A call is over. */
  leave(): void;
  /** Takes no new calls; resolves when the open ones have ended. */
  close(): Promise<void>;
}

const DEFAULT_IDLE_TIMEOUT_MS = 900_000;
const CLOSED = { ...callError(Code.unavailable, 'the transport is closed', 'never-sent'), final: true as const };

export function createBackend(options: NodeTransportOptions, settings: TransportSettings, target: Target): Backend {
  if (options.service !== undefined) return new ServiceBackend(options.service);
  checkWay(options);
  return new LinkBackend(options, settings, target);
}

/** A link that is opened by the first call, and closed when there was none for long. */
class LinkBackend implements Backend {
  readonly #options: NodeTransportOptions;
  readonly #settings: TransportSettings;
  readonly #target: Target;
  readonly #idleTimeoutMs: number;
  #state: 'open' | 'closed' = 'open';
  #way: Way | undefined = undefined;
  #closing: Promise<void> = Promise.resolve();
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
    return (this.#way ??= this.#open()).service(head, reply);
  };

  enter(): void {
    this.#calls++;
  }

  leave(): void {
    if (--this.#calls === 0) this.#idleSinceMs = this.#settings.clock.nowMs();
  }

  close(): Promise<void> {
    this.#state = 'closed';
    this.#leave();
    return this.#closing;
  }

  #open(): Way {
    this.#watch(this.#idleTimeoutMs);
    return createWay(this.#options, this.#target, this.#settings.clock);
  }

  /** One timer per link, not per call: it looks back at when the last call ended. */
  #watch(delayMs: number): void {
    const { clock } = this.#settings;
    this.#idling = clock.after(delayMs, () => {
      const leftMs = this.#calls > 0 ? this.#idleTimeoutMs : this.#idleSinceMs + this.#idleTimeoutMs - clock.nowMs();
      if (leftMs > 0) this.#watch(leftMs);
      else this.#leave();
    });
  }

  #leave(): void {
    this.#idling?.cancel();
    const way = this.#way;
    this.#way = undefined;
    if (way !== undefined) this.#closing = Promise.all([this.#closing, way.link.close()]).then(() => undefined);
  }
}

/** A Service of somebody else. */
class ServiceBackend implements Backend {
  readonly #next: Service;
  #state: 'open' | 'closed' = 'open';
  #calls = 0;
  readonly #quiet = Promise.withResolvers<void>();

  constructor(service: Service) {
    this.#next = service;
  }

  readonly service: Service = (head, reply) =>
    this.#state === 'closed' ? refuse(reply, CLOSED) : this.#next(head, reply);

  enter(): void {
    this.#calls++;
  }

  leave(): void {
    if (--this.#calls === 0 && this.#state === 'closed') this.#quiet.resolve();
  }

  close(): Promise<void> {
    this.#state = 'closed';
    if (this.#calls === 0) this.#quiet.resolve();
    return this.#quiet.promise;
  }
}
