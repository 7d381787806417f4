import type { Clock } from '@bascule/core';
import type { Feed } from '../../sources/feed.ts';
import { waitFor } from '../../waiting.ts';
import type { HttpClient } from '../http.ts';
import { isObject } from '../json.ts';
import { askConsul } from './asking.ts';
import type { ConsulTarget } from './target.ts';

export interface CatalogueWatchOptions {
  readonly http: HttpClient;
  readonly target: ConsulTarget;
  readonly clock: Clock;
  readonly waitMs: number;
  /** The names there are, Consul's own left out. */
  onNames(names: readonly string[]): void;
}

/** Consul's own servers register themselves. */
const OWN_NAME = 'consul';
const MAX_NAMES = 1_000;
/** Between two answers: names of services come and go rarely, but a Consul of old answers for every instance. */
const REST_MS = 1_000;

/** Follows which services there are. */
export async function watchCatalogue(options: CatalogueWatchOptions, feed: Feed, signal: AbortSignal): Promise<void> {
  const { http, target, clock, waitMs } = options;
  let index = 0;
  while (!signal.aborted) {
    const answer = await askConsul(http, target, '/v1/catalog/services', { index, waitMs }, signal);
    const body = answer.body();
    if (!isObject(body)) throw new Error('Consul answers with something that is no list of services');
    const names = Object.keys(body);
    const others = names.filter((name) => name !== OWN_NAME).sort();
    if (others.length > MAX_NAMES) {
      feed.warning(
        `Consul: of its services only the first ${MAX_NAMES} are followed: name those that matter in the URL`,
      );
    }
    if (names.length === 0) feed.warning('Consul: it lists no services at all: may the token read them?');
    else options.onNames(others.slice(0, MAX_NAMES));
    if (names.length <= 1) feed.connected();
    index = answer.index < index ? 0 : answer.index;
    await waitFor(clock, REST_MS * (0.8 + 0.4 * clock.random()), signal);
  }
}
