import { createApiClient, type ApiClient } from '../peers/kubernetes/api-client.ts';
import { checkCredentials, openCluster } from '../peers/kubernetes/cluster.ts';
import { createDepartures } from '../peers/kubernetes/departures.ts';
import { createFollowedSlices, type HearingSession } from '../peers/kubernetes/followed-slices.ts';
import { listSlices } from '../peers/kubernetes/list.ts';
import { ApiRefusal, HistoryLost } from '../peers/kubernetes/refusal.ts';
import { parseKubernetesUrl } from '../peers/kubernetes/target.ts';
import { watchSlices } from '../peers/kubernetes/watch.ts';
import type { SourceOptions } from '../spec.ts';
import { createBackoff, waitFor } from '../waiting.ts';
import type { SourceDriver } from './feed.ts';

const FIRST_RELIST_MS = 500;
const MAX_RELIST_MS = 30_000;
/** A watch that the server ends this much before its time was cut off. */
const EARLY_MS = 1_000;

interface Session extends HearingSession {
  readonly client: ApiClient;
  readonly signal: AbortSignal;
}

/**
 * EndpointSlices of Kubernetes, `kubernetes://[host:port]/namespace[/service,service]`: lists, then watches, and lists
 * anew when the history between is lost. Lists and watches are our own requests: the official client's watch drops the
 * words of refusals and the errors of whoever hears it, buffers without end and runs on timers of its own. What a
 * kubeconfig says is the client's to read.
 */
export function openKubernetesSource(options: SourceOptions): SourceDriver {
  const { clock, defaults } = options;
  const target = parseKubernetesUrl(options.url);
  checkCredentials(options.credentials);
  const followed = createFollowedSlices();
  const relist = createBackoff(clock, FIRST_RELIST_MS, MAX_RELIST_MS);
  let notBeforeMs = clock.nowMs();

  /** Ends by throwing. */
  async function listAndWatch(session: Session): Promise<never> {
    const { client, feed, signal } = session;
    const list = await listSlices(client, target, signal);
    let isAdopted = false;
    for (;;) {
      const seconds = Math.ceil(target.watchSeconds * (0.75 + 0.25 * clock.random()));
      const startMs = clock.nowMs();
      await watchSlices(client, {
        target,
        version: isAdopted ? followed.version() : list.version,
        seconds,
        signal,
        onOpen() {
          // Not before all works, so that who may list but not watch does not count as connected.
          if (!isAdopted) followed.adopt(list, session);
          isAdopted = true;
        },
        onEvent: (event) => followed.hear(event, session),
      });
      if (clock.nowMs() - startMs < seconds * 1000 - EARLY_MS) throw new HistoryLost('the watch was ended early');
      relist.reset();
      followed.confirm(feed);
    }
  }

  async function run(session: Session): Promise<never> {
    for (;;) {
      try {
        return await listAndWatch(session);
      } catch (error) {
        session.departures.clear();
        session.signal.throwIfAborted();
        if (!(error instanceof HistoryLost)) throw error;
      }
      // Many may have lost it at the same time.
      await waitFor(clock, relist.next(), session.signal);
    }
  }

  return {
    async follow(feed, signal) {
      const delayMs = notBeforeMs - clock.nowMs();
      if (delayMs > 0) await waitFor(clock, delayMs, signal);
      if (signal.aborted) return;
      const session: Session = {
        client: createApiClient(await openCluster(target, options), clock),
        feed,
        departures: createDepartures(clock, (id) => feed.removeInstance(id, 'deregistered')),
        reader: { target, defaults, warn: (message) => feed.warning(message) },
        signal,
      };
      try {
        await run(session);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiRefusal) notBeforeMs = clock.nowMs() + error.retryAfterMs;
        throw error;
      } finally {
        session.departures.clear();
        session.client.close();
      }
    },
    close: () => Promise.resolve(),
  };
}
