import type { ApiClient } from './api-client.ts';
import { isObject, numberAt, objectAt, textAt, type JsonObject } from '../json.ts';
import { quoteStart } from '../quote.ts';
import { pathOf } from './path.ts';
import { refusalOf } from './refusal.ts';
import type { KubernetesTarget } from './target.ts';

/** What a watch tells. */
export type WatchEvent =
  | { readonly type: 'put' | 'deleted'; readonly object: JsonObject; readonly version: string }
  | { readonly type: 'bookmark'; readonly version: string };

export interface WatchOptions {
  readonly target: KubernetesTarget;
  /** Of the list, or of what was heard last. */
  readonly version: string;
  /** At most `target.watchSeconds`. The API server ends the watch by itself then. */
  readonly seconds: number;
  readonly signal: AbortSignal;
  /** It stands. */
  onOpen(): void;
  onEvent(event: WatchEvent): void;
}

/** Of the server's end of a watch: later than this it hangs. */
const GRACE_MS = 5_000;
/** Kubernetes stores nothing larger than 1.5 MB. */
const MAX_LINE_LENGTH = 1 << 23;

/** Hears what has changed since a version, to the end of the watch. Throws HistoryLost when that cannot be told. */
export function watchSlices(client: ApiClient, options: WatchOptions): Promise<void> {
  const { target, version, seconds, signal } = options;
  let line = '';
  return client.ask({
    path: pathOf(target, {
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion: version,
      timeoutSeconds: String(seconds),
    }),
    wanted: { verb: 'watch', namespace: target.namespace },
    limitMs: seconds * 1000 + GRACE_MS,
    signal,
    onHead: () => options.onOpen(),
    onText(text) {
      let from = 0;
      for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
        const whole = line + text.slice(from, to);
        line = '';
        from = to + 1;
        if (whole !== '') hear(whole, options);
      }
      line += text.slice(from);
      if (line.length > MAX_LINE_LENGTH) throw new Error('the API server tells of a change that does not end');
    },
  });
}

function hear(line: string, watch: WatchOptions): void {
  const told = parse(line);
  const object = objectAt(told, 'object');
  const version = textAt(objectAt(object, 'metadata'), 'resourceVersion');
  const type = textAt(told, 'type');
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return watch.onEvent({ type: 'put', object, version });
    case 'DELETED':
      return watch.onEvent({ type: 'deleted', object, version });
    case 'BOOKMARK':
      return watch.onEvent({ type: 'bookmark', version });
    case 'ERROR': {
      const wanted = { verb: 'watch', namespace: watch.target.namespace } as const;
      throw refusalOf(numberAt(object, 'code') || 500, JSON.stringify(object), undefined, wanted);
    }
    default:
      throw new Error(`the API server tells of a change of type ${quoteStart(type)}`);
  }
}

function parse(line: string): JsonObject {
  try {
    const told: unknown = JSON.parse(line);
    if (isObject(told)) return told;
  } catch {
    // Said below.
  }
  throw new Error(`the API server tells of a change with what is no JSON object: ${quoteStart(line)}`);
}
