import type { MessagePort } from 'node:worker_threads';
import { endpointKey, type Clock, type Endpoint, type Link } from '@bascule/core';
import { createGrpcUpstream, createHttp2Link, createPortLink } from '@bascule/wire';

/** Links by endpoint: services that share a backend share its connections. */
export interface Links {
  /** A view of the endpoint's link; the link itself closes when the last view has closed. */
  open(endpoint: Endpoint): Link;
  /** Hands over the port of a module version before its endpoint appears in a snapshot. */
  offerPort(key: string, port: MessagePort): void;
  destroy(): void;
}

interface Shared {
  readonly link: Link;
  readonly listeners: Set<(ready: boolean) => void>;
  views: number;
}

export function createLinks(options: { clock: Clock; connectTimeoutMs: number }): Links {
  const shared = new Map<string, Shared>();
  const ports = new Map<string, MessagePort>();

  function connect(endpoint: Endpoint, key: string): Link {
    if (endpoint.protocol === 'grpc') {
      const link = createHttp2Link({ host: endpoint.host, port: endpoint.port, clock: options.clock });
      return withService(link, createGrpcUpstream(link.service));
    }
    const port = ports.get(key);
    ports.delete(key);
    if (port === undefined) throw new Error(`no port was offered for module version ${key}`);
    return createPortLink(port, options.clock);
  }

  return {
    open(endpoint) {
      // The address belongs to the key: an instance that moved gets a new link while calls on the old one end.
      const key = `${endpointKey(endpoint)}@${endpoint.host}:${endpoint.port}`;
      let entry = shared.get(key);
      if (entry === undefined) {
        const link = connect(endpoint, endpointKey(endpoint));
        const listeners = new Set<(ready: boolean) => void>();
        entry = { link, listeners, views: 0 };
        link.onReadyChange((ready) => {
          for (const listener of listeners) listener(ready);
        });
        shared.set(key, entry);
      }
      entry.views++;
      return createView(entry, () => shared.delete(key));
    },
    offerPort: (key, port) => void ports.set(key, port),
    destroy() {
      for (const { link } of shared.values()) link.destroy();
      for (const port of ports.values()) port.close();
      shared.clear();
      ports.clear();
    },
  };
}

function withService(link: Link, service: Link['service']): Link {
  return {
    service,
    isReady: () => link.isReady(),
    onReadyChange: (listener) => link.onReadyChange(listener),
    close: () => link.close(),
    destroy: () => link.destroy(),
  };
}

/** One user's share of a link: closing it closes the link only when no other user is left. */
function createView(shared: Shared, onUnused: () => void): Link {
  let listener: ((ready: boolean) => void) | undefined;
  let open = true;
  const leave = (): boolean => {
    if (!open) return false;
    open = false;
    if (listener !== undefined) shared.listeners.delete(listener);
    shared.views--;
    if (shared.views > 0) return false;
    onUnused();
    return true;
  };
  return {
    service: shared.link.service,
    isReady: () => shared.link.isReady(),
    onReadyChange(next) {
      if (listener !== undefined) shared.listeners.delete(listener);
      listener = next;
      shared.listeners.add(next);
    },
    close: () => (leave() ? shared.link.close() : Promise.resolve()),
    destroy() {
      if (leave()) shared.link.destroy();
    },
  };
}
