import { createHttpClient } from '../peers/http.ts';
import { isObject, type JsonObject } from '../peers/json.ts';
import { createNacosClient } from '../peers/nacos/client.ts';
import { idsOf, isSilent, toEndpoint } from '../peers/nacos/records.ts';
import { checkNacosCredentials, readNacosUrl } from '../peers/nacos/target.ts';
import { gatherReadings, readRecord, type Reading } from '../peers/records.ts';
import { spareSilent } from '../peers/silence.ts';
import { runTogether } from '../peers/together.ts';
import { SpecError, type SourceOptions } from '../spec.ts';
import { waitFor } from '../waiting.ts';
import type { Feed, SourceDriver } from './feed.ts';

/**
 * Looks at services of Nacos every few seconds. Nacos has no history, and forgets everybody when it starts: who is
 * missing behind a loss of it is only doubted.
 */
export function openNacosSource(options: SourceOptions): SourceDriver {
  const { clock, credentials, defaults } = options;
  const target = readNacosUrl(options.url);
  checkNacosCredentials(credentials);
  if (target.names.length === 0) {
    throw new SpecError(
      `${options.url.href} names no service: Nacos tells its clients of no others, so list them in the path`,
    );
  }
  const http = createHttpClient({ origins: target.origins, tls: credentials.tls, clock });
  const client = createNacosClient({ http, target, credentials, clock });

  function read(instance: JsonObject, service: string, feed: Feed): Reading {
    const warn = (message: string): void => feed.warning(`Nacos: ${message}`);
    return readRecord(idsOf(instance, service), () => toEndpoint(instance, service, defaults), warn);
  }

  async function look(service: string, feed: Feed, signal: AbortSignal): Promise<void> {
    for (let isNew = true; !signal.aborted; isNew = false) {
      const told = (await client.list(service, signal)).map((raw) => (isObject(raw) ? raw : {}));
      const list = spareSilent(told, isSilent, (raw) => ({ ...raw, healthy: true }));
      if (list !== told) feed.warning(`Nacos: most of ${service} do not renew at once, so those count as well`);
      const readings = list.map((raw) => read(raw, service, feed));
      feed.answer({ ...gatherReadings(readings), history: isNew ? 'new' : 'none', scope: service });
      await waitFor(clock, target.intervalMs * (0.9 + 0.2 * clock.random()), signal);
    }
  }

  return {
    follow: (feed, signal) =>
      runTogether(signal, (together) => {
        for (const name of target.names) together.add((ending) => look(name, feed, ending));
      }),
    async close() {
      http.close();
    },
  };
}
