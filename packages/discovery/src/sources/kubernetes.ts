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
/** A session that ends sooner after its first answer was no success, whatever it told. */
const SUCCESS_MS = 1_000;
/** A watch that the server ends this much before its time was cut off. */
const EARLY_MS = 1_000;

interface Session extends HearingSession {
  readonly client: ApiClient;
  readonly signal: AbortSignal;
  /** When it told something for the first time. */
  toldMs: number | undefined;
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
    followed.listed(await listSlices(client, target, signal), session.reader);
    let isTold = false;
    for (;;) {
      const seconds = Math.ceil(target.watchSeconds * (0.75 + 0.25 * clock.random()));
      const startMs = clock.nowMs();
      await watchSlices(client, {
        target,
        version: followed.version(),
        seconds,
        signal,
        onOpen() {
          // Told when all works, so that who may list but not watch does not count as connected.
          if (!isTold) followed.tellAll(feed);
          isTold = true;
          session.toldMs ??= clock.nowMs();
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

  /** When to come again, where that is not the loop's own to say. */
  function delayAfter(error: unknown, { toldMs = -Infinity }: Session): number {
    const askedMs = error instanceof ApiRefusal ? error.retryAfterMs : 0;
    return clock.nowMs() - toldMs < SUCCESS_MS ? Math.max(askedMs, relist.next()) : askedMs;
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
        toldMs: undefined,
      };
      try {
        await run(session);
      } catch (error) {
        if (signal.aborted) return;
        notBeforeMs = clock.nowMs() + delayAfter(error, session);
        throw error;
      } finally {
        session.departures.clear();
        session.client.close();
      }
    },
    close: () => Promise.resolve(),
  };
}
