import { endpointKey, type Endpoint } from '@bascule/core';
import type { SourceDriver } from './feed.ts';

/** Endpoints that somebody wrote down. Throws when one stands there twice. */
export function createStaticDriver(endpoints: readonly Endpoint[]): SourceDriver {
  const keys = endpoints.map(endpointKey);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw new Error(`endpoint ${twice} is listed twice: give each an instance id of its own`);
  return {
    follow(feed, signal) {
      feed.answer({ endpoints, history: 'same' });
      return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
    },
    close: () => Promise.resolve(),
  };
}
