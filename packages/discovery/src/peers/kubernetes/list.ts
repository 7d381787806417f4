import type { ApiClient } from './api-client.ts';
import { isObject, listAt, numberAt, objectAt, textAt, type JsonObject } from '../json.ts';
import { pathOf } from './path.ts';
import type { KubernetesTarget } from './target.ts';

/** Everything that is there at one version. */
export interface SliceList {
  readonly version: string;
  /** The one that was written last at the end. */
  readonly items: readonly JsonObject[];
}

const PAGE_SLICES = '200';
const PAGE_LIMIT_MS = 30_000;
const MAX_LIST_LENGTH = 1 << 27;

/** Lists page by page. Not from the cache of an API server that may be behind: no version is asked for. */
export async function listSlices(client: ApiClient, target: KubernetesTarget, signal: AbortSignal): Promise<SliceList> {
  const items: JsonObject[] = [];
  let length = 0;
  let next = '';
  for (;;) {
    let text = '';
    await client.ask({
      path: pathOf(target, { limit: PAGE_SLICES, ...(next !== '' && { continue: next }) }),
      wanted: { verb: 'list', namespace: target.namespace },
      limitMs: PAGE_LIMIT_MS,
      signal,
      onText(part) {
        length += part.length;
        if (length > MAX_LIST_LENGTH) {
          throw new Error(`a list of EndpointSlices is longer than ${MAX_LIST_LENGTH}: narrow it by labelSelector=`);
        }
        text += part;
      },
    });
    const page = parsePage(text);
    for (const item of page.items) items.push(item);
    next = page.next;
    if (next === '') return { version: page.version, items: items.sort(byVersion) };
  }
}

function parsePage(text: string): { version: string; next: string; items: readonly JsonObject[] } {
  let page: unknown;
  try {
    page = JSON.parse(text);
  } catch (error) {
    throw new Error('the API server answers a list with what is no JSON', { cause: error });
  }
  if (!isObject(page)) throw new Error('the API server answers a list with what is no object');
  const metadata = objectAt(page, 'metadata');
  const version = textAt(metadata, 'resourceVersion');
  if (version === '') throw new Error('the API server answers a list without its version');
  return { version, next: textAt(metadata, 'continue'), items: listAt(page, 'items').filter(isObject) };
}

/** Versions of one cluster are numbers that grow; where they are none, the order stays. */
function byVersion(a: JsonObject, b: JsonObject): number {
  return (
    numberAt(objectAt(a, 'metadata'), 'resourceVersion') - numberAt(objectAt(b, 'metadata'), 'resourceVersion') || 0
  );
}
