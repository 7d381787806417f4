import type { MessagePort } from 'node:worker_threads';
import { Code, callError, endpointKey, type Clock, type Endpoint, type Link, type Service } from '@bascule/core';
import { refuseCall } from '@bascule/layers';
import {
  createConnectUpstream,
  createGrpcUpstream,
  createGrpcWebUpstream,
  createHttp1Link,
  createHttp2Link,
  createPortLink,
  type ConnectUpstreamOptions,
} from '@bascule/wire';
import { tlsOfEndpoint, type EndpointTls } from './endpoint-tls.ts';

/** Links by endpoint: services that share a backend share its connections. */
export interface Links {
  /**
   * A view of the endpoint's link; the link itself closes when the last view has closed. `tls` is how those endpoints
   * are reached that speak it, default by what Node trusts.
   */
  open(endpoint: Endpoint, tls?: EndpointTls): Link;
  /** What this name stands for has changed: links that could not be made with what it was are tried again now. */
  retry(tlsName: string): void;
  /** Hands over the port of a module version before its endpoint appears in a snapshot. */
  offerPort(key: string, port: MessagePort): void;
  destroy(): void;
}

export interface LinksOptions {
  readonly clock: Clock;
  /** Nobody uses the endpoint any more and its last call has ended. `key` is its `endpointKey`. */
  onRetired(key: string): void;
  /** Of links over HTTP/2. */
  readonly http2?: Pick<Parameters<typeof createHttp2Link>[0], 'holdsProcess' | 'keepaliveMs' | 'silenceMs'>;
  /** Of endpoints that speak Connect. */
  readonly connect?: ConnectUpstreamOptions;
}

/** A pause of a second is long for a process that works; and a process that works answers a PING at once. */
const SILENCE_MS = 1_000;

interface Shared {
  readonly key: string;
  readonly tlsName: string | undefined;
  readonly link: Link;
  readonly listeners: Set<(ready: boolean) => void>;
  views: number;
}

export function createLinks(options: LinksOptions): Links {
  /** By endpoint, protocol and address: an instance that moved gets a new link while calls on the old one end. */
  const shared = new Map<string, Shared>();
  /** Links by endpoint that are open or closing: counted, since to look for others at each end would cost their number squared. */
  const perKey = new Map<string, number>();
  const ports = new Map<string, MessagePort>();

  function connect(endpoint: Endpoint, key: string, tls: EndpointTls | undefined): Link {
    const { host, port, protocol } = endpoint;
    const { clock, http2, connect } = options;
    const target = { host, port, clock, ...(tls !== undefined && { tls: () => tls.current() }) };
    const createConnect = (next: Service): Service => createConnectUpstream(next, connect);
    switch (protocol) {
      case 'grpc':
        return speaking(createHttp2Link({ ...target, silenceMs: SILENCE_MS, ...http2 }), createGrpcUpstream);
      case 'grpc-web':
        return speaking(createHttp2Link({ ...target, silenceMs: SILENCE_MS, ...http2 }), createGrpcWebUpstream);
      case 'grpc-web+http1':
        return speaking(createHttp1Link(target), createGrpcWebUpstream);
      case 'connect':
        return speaking(createHttp2Link({ ...target, silenceMs: SILENCE_MS, ...http2 }), createConnect);
      case 'connect+http1':
        return speaking(createHttp1Link(target), createConnect);
      case 'port': {
        const own = ports.get(key);
        ports.delete(key);
        return own === undefined ? DEAD_LINK : createPortLink(own, clock);
      }
      default:
        return protocol satisfies never;
    }
  }

  function share(endpoint: Endpoint, tls: EndpointTls | undefined): Shared {
    const key = endpointKey(endpoint);
    const listeners = new Set<(ready: boolean) => void>();
    const link = connect(endpoint, key, tls);
    perKey.set(key, (perKey.get(key) ?? 0) + 1);
    link.onReadyChange((ready) => {
      for (const listener of listeners) listener(ready);
    });
    return { key, tlsName: tls?.name, link, listeners, views: 0 };
  }

  async function closeUnused(id: string, entry: Shared): Promise<void> {
    shared.delete(id);
    await entry.link.close();
    const left = (perKey.get(entry.key) ?? 1) - 1;
    if (left > 0) return void perKey.set(entry.key, left);
    perKey.delete(entry.key);
    options.onRetired(entry.key);
  }

  return {
    open(endpoint, given) {
      const tls = tlsOfEndpoint(endpoint, given);
      const way = `${endpoint.protocol} ${endpoint.host}:${endpoint.port} ${tls?.name ?? ''}`;
      const id = `${endpointKey(endpoint)} ${way}`;
      const entry = shared.get(id) ?? share(endpoint, tls);
      shared.set(id, entry);
      return createView(entry, () => closeUnused(id, entry));
    },
    retry(tlsName) {
      for (const { link, ...entry } of shared.values()) if (entry.tlsName === tlsName) link.retry?.();
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

/** A link that calls of the inner dialect can be made on. */
function speaking(link: Link, createUpstream: (next: Service) => Service): Link {
  const service = createUpstream(link.service);
  return {
    service,
    isReady: () => link.isReady(),
    onReadyChange: (listener) => link.onReadyChange(listener),
    problem: () => link.problem?.() ?? '',
    retry: () => link.retry?.(),
    close: () => link.close(),
    destroy: () => link.destroy(),
  };
}

/** One user's share of a link: closing it closes the link only when no other user is left. */
function createView(shared: Shared, closeUnused: () => Promise<void>): Link {
  let listener: ((ready: boolean) => void) | undefined;
  let view: 'open' | 'closed' = 'open';
  shared.views++;
  const leave = (): Promise<void> => {
    if (view === 'closed') return Promise.resolve();
    view = 'closed';
    if (listener !== undefined) shared.listeners.delete(listener);
    shared.views--;
    return shared.views > 0 ? Promise.resolve() : closeUnused();
  };
  return {
    service: shared.link.service,
    isReady: () => shared.link.isReady(),
    onReadyChange(next) {
      if (listener !== undefined) shared.listeners.delete(listener);
      listener = next;
      shared.listeners.add(next);
    },
    problem: () => shared.link.problem?.() ?? '',
    close: leave,
    destroy() {
      void leave();
      if (shared.views === 0) shared.link.destroy();
    },
  };
}

/** Never ready: for a module version that ended before its port came. A link must not throw for one of many changes. */
const DEAD_LINK: Link = {
  service: (_head, reply) =>
    refuseCall(reply, callError(Code.unavailable, 'the module version has ended', 'never-sent')),
  isReady: () => false,
  onReadyChange() {},
  close: () => Promise.resolve(),
  destroy() {},
};
