import { isDeepStrictEqual } from 'node:util';
import { endpointKey, type Clock, type Endpoint } from '@bascule/core';
import type { SourceChange, SourceListener } from '@bascule/discovery';

/** The endpoints that stand in the configuration. What is written there counts at once, the last removal too. */
export interface StaticSource {
  replace(endpoints: readonly Endpoint[], schemas: ReadonlyMap<string, Uint8Array>): void;
}

export function createStaticSource(listener: SourceListener, clock: Clock): StaticSource {
  let told = new Map<string, Endpoint>();
  listener.status({ state: 'connected', sinceMs: clock.wallMs() });
  return {
    replace(endpoints, schemas) {
      const next = new Map(endpoints.map((endpoint) => [endpointKey(endpoint), endpoint]));
      const changes: SourceChange[] = [];
      for (const [key, endpoint] of next) {
        const known = told.get(key);
        if (known === undefined) changes.push({ type: 'insert', endpoint });
        else if (!isDeepStrictEqual(known, endpoint)) changes.push({ type: 'update', endpoint });
      }
      for (const key of told.keys()) if (!next.has(key)) changes.push({ type: 'remove', key, cause: 'retired' });
      told = next;
      if (changes.length > 0) listener.changes(changes);
      for (const [digest, schema] of schemas) listener.schema(digest, schema);
    },
  };
}
