import { createHttpClient } from '../peers/http.ts';
import { watchLeader } from '../peers/consul/asking.ts';
import { watchCatalogue } from '../peers/consul/catalogue-watch.ts';
import { createServiceWatch, type ServiceWatch } from '../peers/consul/service-watch.ts';
import { readConsulUrl, toConsulHeaders } from '../peers/consul/target.ts';
import { runTogether, type Together } from '../peers/together.ts';
import type { SourceOptions } from '../spec.ts';
import type { Feed, SourceDriver } from './feed.ts';

/** Of one blocking query. Consul adds up to a sixteenth by chance, so that watchers do not come all at once. */
const WAIT_MS = 300_000;
/** Consul takes 200 connections of one address by default, and others of ours may run beside. */
const MAX_WATCHES = 100;
/** Of a query that shares its connection with more services than there are connections. */
const TURN_MS = 2_000;
const SPARE_CONNECTIONS = 10;

/**
 * Follows services of Consul by blocking queries, one each, and whatever services there are when the URL names none. A
 * service is told with its failing instances; who its answer lacks has left, as long as Consul's history goes on.
 */
export function openConsulSource(options: SourceOptions): SourceDriver {
  const { clock, credentials, defaults } = options;
  const target = readConsulUrl(options.url);
  const headers = toConsulHeaders(credentials);
  const maxConnections = MAX_WATCHES + SPARE_CONNECTIONS;
  const http = createHttpClient({ origins: target.origins, tls: credentials.tls, headers, clock, maxConnections });
  const watches = new Map<string, ServiceWatch>();
  const waitMs = (): number => (watches.size > MAX_WATCHES ? TURN_MS : WAIT_MS);

  function watchOf(name: string): ServiceWatch {
    const watch = watches.get(name) ?? createServiceWatch({ http, target, clock, defaults, name, waitMs });
    watches.set(name, watch);
    return watch;
  }

  let turn = 0;
  /** One service at a time: a Consul that starts anew loses the history of all. */
  async function checkNext(signal: AbortSignal): Promise<void> {
    const all = [...watches.values()];
    await all[turn++ % all.length]?.checkHistory(signal);
  }

  /** Starts what is new in the list and ends what is not in it any more. */
  function createFollowing(feed: Feed, together: Together): (names: readonly string[]) => void {
    const following = new Map<string, AbortController>();
    return (names) => {
      for (const name of names) {
        if (following.has(name)) continue;
        const ending = new AbortController();
        following.set(name, ending);
        const watch = watchOf(name);
        together.add((signal) =>
          watch.follow(feed, AbortSignal.any([signal, ending.signal])).catch(unlessAborted(ending.signal)),
        );
      }
      const present = new Set(names);
      for (const name of [...watches.keys()].filter((name) => !present.has(name))) {
        following.get(name)?.abort();
        following.delete(name);
        watches.delete(name);
        feed.answer({ endpoints: [], history: 'same', scope: name });
      }
    };
  }

  return {
    async follow(feed, signal) {
      await runTogether(signal, (together) => {
        together.add((ending) => watchLeader({ http, clock, checkNext }, ending));
        const follow = createFollowing(feed, together);
        if (target.names.length > 0) follow(target.names);
        else {
          const catalogue = { http, target, clock, waitMs: WAIT_MS, onNames: follow };
          together.add((ending) => watchCatalogue(catalogue, feed, ending));
        }
      });
    },
    async close() {
      http.close();
    },
  };
}

function unlessAborted(signal: AbortSignal): (error: unknown) => void {
  return (error) => {
    if (!signal.aborted) throw error;
  };
}
