import type { Endpoint } from '@bascule/core';
import { toAddressId } from '../peers/address.ts';
import { parseDnsUrl } from '../peers/dns/location.ts';
import { resolveAddresses, resolveService, type Found, type Resolution } from '../peers/dns/resolve.ts';
import { createDnsResolver } from '../peers/dns/resolver.ts';
import { readServers, serversAt } from '../peers/dns/servers.ts';
import type { SourceOptions } from '../spec.ts';
import { waitFor } from '../waiting.ts';
import type { Feed, SourceDriver } from './feed.ts';

const RESOLV_CONF = '/etc/resolv.conf';
/** After an answer that lacks a part. */
const PARTIAL_TTL_MS = 10_000;
/** Thousands that were told the same TTL in the same moment do not ask in the same moment again. */
const JITTER = 0.1;

/**
 * Follows the addresses of a name, or its SRV records, by asking again whenever their TTL is over. DNS has no history:
 * whoever is missing once is doubted, and gone when missing again. No answer empties the set, but for one: that there is
 * no such name (or, for SRV, that the service is decidedly not there), when that has been said for `graceMs`.
 *
 * Our own, since `node:dns` tells no TTL of SRV records, and cannot tell a name that is gone from a resolver that fails.
 */
export function openDnsSource({ url, clock, defaults }: SourceOptions): SourceDriver {
  const { server, name, port, graceMs, minTtlMs, maxTtlMs } = parseDnsUrl(url);
  const machine = (): ReturnType<typeof readServers> => readServers(RESOLV_CONF);
  const named = server && Promise.resolve(serversAt(server));
  const resolver = createDnsResolver({ clock, servers: () => named ?? machine() });
  /** By question, whom it found last. */
  let foundBy = new Map<string, ReadonlySet<string>>();
  /** Since when every answer says that there is no such name. */
  let nobodySinceMs: number | undefined;

  function resolve(signal: AbortSignal): Promise<Resolution> {
    return port === undefined
      ? resolveService(resolver, name, signal)
      : resolveAddresses(resolver, { name, port }, signal);
  }

  async function follow(feed: Feed, signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        const resolution = await resolve(signal);
        if (signal.aborted) return;
        const ttlMs = Math.min(Math.max(tell(feed, resolution), minTtlMs), maxTtlMs);
        await waitFor(clock, ttlMs * (1 + JITTER * clock.random()), signal);
      }
    } catch (error) {
      // A resolver that fails says nothing of the name, so the grace begins anew.
      nobodySinceMs = undefined;
      if (!signal.aborted) throw error;
    }
  }

  /** Returns for how long that holds. */
  function tell(feed: Feed, resolution: Resolution): number {
    const ttlMs = resolution.ttlSeconds * 1_000;
    if (resolution.found !== 'addresses') return tellNobody(feed, resolution.found, ttlMs);
    nobodySinceMs = undefined;
    const { addresses, failed } = resolution;
    const before = foundBy;
    foundBy = new Map([...failed.keys()].map((question) => [question, before.get(question) ?? new Set()]));
    for (const { origin, ...address } of addresses) {
      foundBy.set(origin, new Set(foundBy.get(origin)).add(toAddressId(address)));
    }
    for (const reason of failed.values()) feed.warning(reason);
    const unreadable = [...failed.keys()].flatMap((question) => [...(before.get(question) ?? [])]);
    feed.answer({ endpoints: addresses.map(toEndpoint), unreadable, history: 'none' });
    return failed.size > 0 ? Math.min(ttlMs, PARTIAL_TTL_MS) : ttlMs;
  }

  function tellNobody(feed: Feed, found: 'no-name' | 'no-data', ttlMs: number): number {
    nobodySinceMs = found === 'no-name' ? (nobodySinceMs ?? clock.nowMs()) : undefined;
    const isOver = nobodySinceMs !== undefined && clock.nowMs() - nobodySinceMs >= graceMs;
    feed.answer({ endpoints: [], history: isOver ? 'decided' : 'none' });
    // So that the grace is not prolonged by a TTL beyond it.
    return nobodySinceMs === undefined || isOver ? ttlMs : Math.min(ttlMs, graceMs / 2);
  }

  function toEndpoint({ host, port, priority, weight }: Found): Endpoint {
    const instanceId = toAddressId({ host, port });
    return {
      instanceId,
      incarnation: 1,
      host,
      port,
      weight,
      priority,
      zone: '',
      moduleVersion: '',
      labels: {},
      ...defaults,
    };
  }

  return { follow, close: () => Promise.resolve() };
}
