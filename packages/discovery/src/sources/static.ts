import { endpointKey, type Endpoint } from '@bascule/core';
import { parseWrittenAddress, toAddressId } from '../peers/address.ts';
import { SpecError, type EndpointDefaults, type SourceOptions } from '../spec.ts';
import type { SourceDriver } from './feed.ts';

/** `static:host:port,host:port`: endpoints that stand in the URL itself. */
export function openStaticSource({ url, defaults }: SourceOptions): SourceDriver {
  if (url.search !== '' || url.hash !== '') throw new SpecError(`${url.href} has more than addresses`);
  return createStaticDriver(toEndpoints(decode(url.pathname), url.href, defaults));
}

/** `host:port,host:port`; `where` is for errors. Throws SpecError. */
export function toEndpoints(text: string, where: string, defaults: EndpointDefaults): Endpoint[] {
  const known = new Set<string>();
  return text.split(',').map((part) => {
    const written = part.trim();
    const address = parseWrittenAddress(written);
    if (address === undefined) {
      throw new SpecError(`${where}: ${JSON.stringify(written)} is no address: write host:port, with commas between`);
    }
    const instanceId = toAddressId(address);
    if (known.has(instanceId)) throw new SpecError(`${where} lists ${written} twice`);
    known.add(instanceId);
    const nothing = { weight: 1, priority: 0, zone: '', moduleVersion: '', labels: {} };
    return { instanceId, incarnation: 1, ...address, ...nothing, ...defaults };
  });
}

/** Endpoints that somebody wrote down. Throws when one stands there twice. */
export function createStaticDriver(endpoints: readonly Endpoint[]): SourceDriver {
  const keys = endpoints.map(endpointKey);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) throw new Error(`endpoint ${twice} is listed twice: give each an instance id of its own`);
  return {
    follow(feed, signal) {
      feed.answer({ endpoints, history: 'decided' });
      const { promise, resolve } = Promise.withResolvers<void>();
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve());
      return promise;
    },
    close: () => Promise.resolve(),
  };
}

/** URLs escape what is no part of an address, and are read again by people in errors. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
