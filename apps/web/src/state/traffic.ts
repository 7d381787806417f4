import { signal } from '@preact/signals';
import { placesClient } from '../rpc/clients.ts';
import { rank } from './ranking.ts';
import { isStale, reorder } from './search.ts';

/** A search and a ranking each time: 5 calls per second. */
const PERIOD_MS = 400;

/** With the traffic paused the order of results is still looked after, every so many periods. */
const QUIET_PERIODS = 5;

/** Calls of a gateway that does not answer are not piled up. */
const MOST_OPEN = 4;

const QUERIES = ['san', 'new', 'al', 'vi', 'port', 'be', 'ko', 'mar', 'ka', 'lo', 'bar', 'te', 'gr', 'ch', 'da', 'sa'];

/** Whether the page makes calls of its own, so that there is something to see. */
export const trafficOn = signal(true);

export function startTraffic(): void {
  let open = 0;
  let period = 0;
  setInterval(() => {
    period += 1;
    if (open >= MOST_OPEN) return;
    // The first ordering failed, or an answer of the old build came in late.
    if (isStale()) void reorder();
    if (!trafficOn.value && period % QUIET_PERIODS !== 0) return;
    open += 1;
    const call = trafficOn.value ? searchAndRank(QUERIES[period % QUERIES.length] ?? '') : reorder();
    // What fails is counted where all calls are counted.
    void call.catch(() => undefined).finally(() => (open -= 1));
  }, PERIOD_MS);
}

async function searchAndRank(query: string): Promise<void> {
  const { places } = await placesClient.search({ query, limit: 8 });
  await rank(places);
}
