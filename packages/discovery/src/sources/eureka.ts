import {
  readApplications,
  readInstance,
  type Applications,
  type EurekaInstance,
} from '../peers/eureka/applications.ts';
import { createInstanceSet } from '../peers/eureka/instance-set.ts';
import { idsOf, toEndpoint } from '../peers/eureka/records.ts';
import { readEurekaUrl, toEurekaHeaders } from '../peers/eureka/target.ts';
import { HttpError } from '../peers/http-answer.ts';
import { createHttpClient } from '../peers/http.ts';
import { gatherReadings, readRecord } from '../peers/records.ts';
import type { SourceOptions } from '../spec.ts';
import { waitFor } from '../waiting.ts';
import type { Feed, SourceDriver } from './feed.ts';

/** Asked for one by one, at most so many per look. */
const MAX_DISPUTED = 100;

/**
 * Looks at Eureka's instances every half minute: at all of them first, then at what changed, and at all again when the
 * hash that comes with the changes does not fit. Eureka has no history: who is deleted has left, who is missing may have.
 */
export function openEurekaSource(options: SourceOptions): SourceDriver {
  const { clock, credentials, defaults } = options;
  const target = readEurekaUrl(options.url);
  const headers = toEurekaHeaders(credentials);
  const http = createHttpClient({ origins: target.origins, tls: credentials.tls, headers, clock });

  async function ask(path: string, signal: AbortSignal): Promise<Applications> {
    return readApplications((await http.ask({ method: 'GET', path: `${target.basePath}${path}`, signal })).json());
  }

  /** Undefined where the server is configured to tell none. */
  async function askForChanges(signal: AbortSignal): Promise<Applications | undefined> {
    const changes = await ask('/apps/delta', signal).catch(unless(403));
    if (changes === undefined || target.app === undefined) return changes;
    return { ...changes, instances: changes.instances.filter(({ app }) => app === target.app) };
  }

  async function askForAll(signal: AbortSignal): Promise<Applications['instances']> {
    if (target.app === undefined) return (await ask('/apps', signal)).instances;
    // An application without instances is none.
    return (await ask(`/apps/${encodeURIComponent(target.app)}`, signal).catch(unless(404)))?.instances ?? [];
  }

  /** What Eureka has of one instance, which is never an old answer; undefined for nothing. */
  async function askForOne({ app, id }: EurekaInstance, signal: AbortSignal): Promise<EurekaInstance | undefined> {
    const path = `${target.basePath}/apps/${encodeURIComponent(app)}/${encodeURIComponent(id)}`;
    const answer = await http.ask({ method: 'GET', path, signal }).catch(unless(404));
    return answer && readInstance(answer.json());
  }

  async function follow(feed: Feed, signal: AbortSignal): Promise<void> {
    const warn = (message: string): void => feed.warning(`Eureka: ${message}`);
    const present = createInstanceSet((instance) =>
      readRecord(idsOf(instance), () => toEndpoint(instance, target.host, defaults), warn),
    );
    let version = 0;
    for (let isNew = true; !signal.aborted; isNew = false) {
      const changes = await askForChanges(signal);
      // A server that counts its changes anew has started anew, and forgotten everybody.
      const isRestarted = changes !== undefined && changes.version < version;
      version = changes?.version ?? version;
      const apply = (isCorrection: boolean): readonly EurekaInstance[] => {
        const { leaving, disputed } = present.change(changes?.instances ?? [], isCorrection);
        for (const { key, cause } of leaving) feed.remove(key, cause);
        return disputed;
      };
      const needsAll = isNew || isRestarted || changes === undefined || target.app !== undefined;
      if (!needsAll) apply(false);
      if (needsAll || present.hash() !== changes.hash) {
        present.replace(await askForAll(signal));
        for (const instance of apply(true).slice(0, MAX_DISPUTED)) {
          const one = await askForOne(instance, signal);
          if (one !== undefined) present.add(one);
        }
      }
      feed.answer({ ...gatherReadings(present.readings()), history: isNew || isRestarted ? 'new' : 'none' });
      await waitFor(clock, target.intervalMs * (0.9 + 0.2 * clock.random()), signal);
    }
  }

  return {
    follow,
    async close() {
      http.close();
    },
  };
}

/** Takes an answer of one status for nothing. */
function unless(status: number): (error: unknown) => undefined {
  return (error) => {
    if (!(error instanceof HttpError && error.status === status)) throw error;
  };
}
