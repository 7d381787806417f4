import { createBearerInterceptor, createNodeTransport } from '@bascule/client';
import {
  AdminService,
  type EndpointView,
  type ListEndpointsResponse,
} from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ConnectError, createClient } from '@connectrpc/connect';
import type { GatewayProcess } from './programs.ts';

/** What `bascule endpoints --watch` shows of a gateway, for as long as the gateway runs. */
export interface Observer {
  latest(): ListEndpointsResponse | undefined;
  views(): number;
  /** Resolves with the milliseconds until a view is as wanted. Throws with what it was last. */
  until(what: string, isWanted: (view: ListEndpointsResponse) => boolean, patienceMs?: number): Promise<number>;
  /** Asks anew. */
  ask(): Promise<ListEndpointsResponse>;
  /** Samples of a metric, by the value of one label, or by nothing. */
  metric(name: string, label?: string): Promise<Record<string, number>>;
  stop(): Promise<void>;
}

const PATIENCE_MS = 40_000;

export interface ObserverListener {
  onView(view: ListEndpointsResponse): void;
  /** The gateway shows nothing any more, and nobody has asked it to stop. */
  onLost(why: string): void;
}

export function observe(gateway: GatewayProcess, listener: ObserverListener): Observer {
  const { operatorUrl, token } = gateway;
  const transport = createNodeTransport({ baseUrl: operatorUrl, interceptors: [createBearerInterceptor(token)] });
  const admin = createClient(AdminService, transport);
  const stopping = new AbortController();
  const waiting = new Set<() => void>();
  let latest: ListEndpointsResponse | undefined;
  let views = 0;

  async function follow(): Promise<void> {
    try {
      for await (const { view } of admin.watchEndpoints({}, { signal: stopping.signal })) {
        if (view === undefined) continue;
        latest = view;
        views++;
        listener.onView(view);
        for (const look of waiting) look();
      }
    } catch (error) {
      if (!stopping.signal.aborted) listener.onLost(ConnectError.from(error).message);
    }
  }
  const following = follow();

  return {
    latest: () => latest,
    views: () => views,
    async until(what, isWanted, patienceMs = PATIENCE_MS) {
      const startMs = performance.now();
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = (): void => {
        if (latest !== undefined && isWanted(latest)) resolve();
      };
      const timer = setTimeout(
        () => reject(new Error(`not so after ${patienceMs} ms: ${what}; ${describe(latest)}`)),
        patienceMs,
      );
      waiting.add(look);
      look();
      try {
        await promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(look);
      }
      return performance.now() - startMs;
    },
    ask: () => admin.listEndpoints({}),
    async metric(name, label) {
      const text = await (await fetch(`${operatorUrl}/metrics`)).text();
      const sums: Record<string, number> = {};
      for (const line of text.split('\n')) {
        const match = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line);
        if (match === null || match[1] !== name) continue;
        const key = label === undefined ? '' : (new RegExp(`${label}="([^"]*)"`).exec(match[2] ?? '')?.[1] ?? '');
        sums[key] = (sums[key] ?? 0) + Number(match[3]);
      }
      return sums;
    },
    async stop() {
      stopping.abort();
      await following;
      await transport.close();
    },
  };
}

/** An endpoint in few words. */
export function shortOf({ instanceId, incarnation, address, state, source, cause }: EndpointView): string {
  return `${instanceId}#${incarnation} at ${address} ${state} of ${source}${cause === '' ? '' : ` (${cause})`}`;
}

export function describe(view: ListEndpointsResponse | undefined): string {
  if (view === undefined) return 'nothing was shown yet';
  const sources = view.sources.map(({ name, state, error }) => `${name} ${state} ${error}`);
  const removals = view.removals.map(({ instanceId, incarnation, cause }) => `${instanceId}#${incarnation} ${cause}`);
  return `endpoints: ${view.endpoints.map(shortOf).join('; ') || 'none'}; sources: ${sources.join('; ')}; left: ${removals.join('; ') || 'none'}`;
}
