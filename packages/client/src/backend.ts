import type { Service } from '@bascule/core';
import { createCallStack, hasStack } from './call-stack.ts';
import { DiscoveryBackend } from './discovery-backend.ts';
import { CLOSED, LinkBackend } from './link-backend.ts';
import type { NodeTransportOptions } from './options.ts';
import { refuse } from './refusal.ts';
import type { TransportSettings } from './settings.ts';
import type { Target } from './target.ts';
import { checkWay } from './way.ts';

/** Where a transport's calls go. */
export interface Backend {
  readonly service: Service;
  /** Whether calls that provably were not processed are worth another attempt by whoever makes them. */
  readonly isRepeatable: boolean;
  /** Whether it says to each attempt how much time is left. */
  readonly saysTimeout: boolean;
  /** A call has failed because the server could not be reached, has waited, and comes again. */
  redial(): void;
  /** A call has begun. */
  enter(): void;
  /** A call is over. */
  leave(): void;
  /** Takes no new calls; resolves when the open ones have ended. */
  close(): Promise<void>;
}

/** Throws ConnectError for options that do not go together. */
export function createBackend(options: NodeTransportOptions, settings: TransportSettings, target: Target): Backend {
  if (options.service !== undefined) return treated(new ServiceBackend(options.service), options, settings);
  checkWay(options);
  if (options.discovery !== undefined) return new DiscoveryBackend(options, options.discovery, settings, target);
  return treated(new LinkBackend(options, settings, target), options, settings);
}

/** One server, with the layers that the options ask for in front of it. */
function treated(backend: Backend, options: NodeTransportOptions, settings: TransportSettings): Backend {
  if (!hasStack(options)) return backend;
  return {
    service: createCallStack(options, settings, backend.service),
    isRepeatable: backend.isRepeatable,
    saysTimeout: true,
    redial: () => backend.redial(),
    enter: () => backend.enter(),
    leave: () => backend.leave(),
    close: () => backend.close(),
  };
}

/** A Service of somebody else. */
class ServiceBackend implements Backend {
  readonly isRepeatable = true;
  readonly saysTimeout = false;
  readonly #next: Service;
  readonly #quiet = Promise.withResolvers<void>();
  #state: 'open' | 'closed' = 'open';
  #calls = 0;

  constructor(service: Service) {
    this.#next = service;
  }

  readonly service: Service = (head, reply) =>
    this.#state === 'closed' ? refuse(reply, CLOSED) : this.#next(head, reply);

  redial(): void {}

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
