import type { Clock, Endpoint, Link, Service } from '@bascule/core';
import { LoadStream } from './load-stream.ts';
import type { PolicyLoad } from './loads.ts';

/** Asks the endpoints of one cluster for their load, as long as there is a way to them. */
export interface LoadWatch {
  /** Asks each for a report every so many ms; undefined asks nobody. */
  configure(periodMs: number | undefined): void;
  /** The same way, whose endpoint is asked while it is open and ready. */
  watch(endpoint: Endpoint, link: Link): Link;
}

/** Reads a report of an endpoint; undefined for what is none. */
type ReadReport = (endpoint: Endpoint, bytes: Uint8Array) => PolicyLoad | undefined;

/** Who wants to know of one endpoint's load, and how often. */
interface Asker {
  readonly periodMs: number;
  hear(load: PolicyLoad): void;
}

interface Asked {
  readonly stream: LoadStream;
  readonly askers: Set<Asker>;
}

/** One stream for each way, however many clusters go over it: as often as who wants it most often. */
export class LoadStreams {
  readonly #clock: Clock;
  readonly #read: ReadReport;
  readonly #asked = new Map<Service, Asked>();

  constructor(clock: Clock, read: ReadReport) {
    this.#clock = clock;
    this.#read = read;
  }

  add(endpoint: Endpoint, service: Service, asker: Asker): void {
    const asked = this.#asked.get(service) ?? this.#create(endpoint, service);
    asked.askers.add(asker);
    asked.stream.start(leastOf(asked.askers));
  }

  delete(service: Service, asker: Asker): void {
    const asked = this.#asked.get(service);
    if (asked?.askers.delete(asker) !== true) return;
    if (asked.askers.size > 0) return asked.stream.start(leastOf(asked.askers));
    this.#asked.delete(service);
    asked.stream.stop();
  }

  #create(endpoint: Endpoint, service: Service): Asked {
    const askers = new Set<Asker>();
    const stream = new LoadStream({
      clock: this.#clock,
      service,
      onReport: (bytes) => {
        const load = this.#read(endpoint, bytes);
        if (load !== undefined) for (const asker of askers) asker.hear(load);
      },
    });
    const asked = { stream, askers };
    this.#asked.set(service, asked);
    return asked;
  }
}

function leastOf(askers: Iterable<Asker>): number {
  return Math.min(...Array.from(askers, ({ periodMs }) => periodMs));
}

/** `hear` is told each report with the endpoint it is of. */
export function createLoadWatch(streams: LoadStreams, hear: (endpoint: Endpoint, load: PolicyLoad) => void): LoadWatch {
  const links = new Set<WatchedLink>();
  let periodMs: number | undefined;
  return {
    configure(next) {
      if (next === periodMs) return;
      periodMs = next;
      for (const link of links) link.follow();
    },
    watch(endpoint, link) {
      // A module version lives in this process, and has nothing to say that is not seen here.
      if (endpoint.protocol === 'port') return link;
      const watched = new WatchedLink(link, {
        onClosed: () => links.delete(watched),
        ask() {
          if (periodMs === undefined) return undefined;
          const asker = { periodMs, hear: (load: PolicyLoad) => hear(endpoint, load) };
          streams.add(endpoint, link.service, asker);
          return () => streams.delete(link.service, asker);
        },
      });
      links.add(watched);
      watched.follow();
      return watched;
    },
  };
}

interface Watching {
  onClosed(): void;
  /** Begins to ask, and gives what ends it; undefined where nobody is to be asked. */
  ask(): (() => void) | undefined;
}

/** A way whose endpoint is asked while it is ready: a new connection may lead to a new process, which is asked anew. */
class WatchedLink implements Link {
  readonly service: Service;
  readonly #link: Link;
  readonly #watching: Watching;
  #listener: ((ready: boolean) => void) | undefined = undefined;
  #stop: (() => void) | undefined = undefined;
  #state: 'open' | 'closed' = 'open';

  constructor(link: Link, watching: Watching) {
    this.service = link.service;
    this.#link = link;
    this.#watching = watching;
    link.onReadyChange((ready) => {
      this.follow();
      this.#listener?.(ready);
    });
  }

  /** What is asked, or whether it can be, has changed. */
  follow(): void {
    this.#leave();
    if (this.#state === 'open' && this.#link.isReady()) this.#stop = this.#watching.ask();
  }

  isReady(): boolean {
    return this.#link.isReady();
  }

  onReadyChange(listener: (ready: boolean) => void): void {
    this.#listener = listener;
  }

  problem(): string {
    return this.#link.problem?.() ?? '';
  }

  close(): Promise<void> {
    this.#end();
    return this.#link.close();
  }

  destroy(): void {
    this.#end();
    this.#link.destroy();
  }

  #end(): void {
    this.#state = 'closed';
    this.#leave();
    this.#watching.onClosed();
  }

  #leave(): void {
    const stop = this.#stop;
    this.#stop = undefined;
    stop?.();
  }
}
