import { endpointKey, systemClock, type Endpoint } from '@bascule/core';
import type { Source, SourceStatus } from '../source.ts';

/** Endpoints that somebody wrote down. Throws when one stands there twice. */
export function createStaticSource(endpoints: readonly Endpoint[]): Source {
  const keys = endpoints.map(endpointKey);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw new Error(`endpoint ${twice} is listed twice: give each an instance id of its own`);
  const status: SourceStatus = { state: 'connected', sinceMs: systemClock.wallMs() };
  return {
    start(listener) {
      listener.status(status);
      if (endpoints.length > 0) listener.changes(endpoints.map((endpoint) => ({ type: 'insert', endpoint })));
    },
    status: () => status,
    schemaFor: () => undefined,
    close: () => Promise.resolve(),
  };
}
