import { sleep, type Change, type Clock } from '@bascule/core';
import {
  createMembership,
  openSource,
  parseSystemUrl,
  type CheckSettings,
  type EndpointDefaults,
  type Membership,
  type Source,
} from '@bascule/discovery';
import type { EndpointTls } from '../channel/endpoint-tls.ts';
import { createDial } from '../dial.ts';
import type { DiscoverySource, TransportDiscovery } from '../options.ts';
import { createEndpointHealth } from './health.ts';
import { createKnownSets } from './known-sets.ts';

export interface FollowOptions {
  readonly discovery: TransportDiscovery;
  /** What holds for endpoints whose source does not say it. */
  readonly defaults: EndpointDefaults;
  readonly clock: Clock;
  /** How endpoints are checked; undefined checks only those that are doubted. */
  readonly check: Partial<CheckSettings> | undefined;
  /** How endpoints are reached over TLS. */
  readonly tls: EndpointTls | undefined;
  onChange(changes: readonly Change[]): void;
}

/** Who is there, as it changes. */
export interface Following {
  /** Resolves when every source has answered once, or it is time to go on without. */
  readonly heard: Promise<void>;
  /** How the sources stand that are not connected, for people. Empty when all are. */
  problem(): string;
  close(): Promise<void>;
}

/** How long the first calls wait for the first word of every source. */
const FIRST_WORD_MS = 1_000;
/** What hangs in another system must not hold up the end of a program. */
const CLOSE_MS = 2_000;

/**
 * Opens all sources and weighs what they tell in one membership, as a gateway does: what one says of an endpoint, what
 * the others say, and whether it answers. Rejects with SpecError for a URL that cannot work; then nothing is left open.
 */
export async function followEndpoints(options: FollowOptions): Promise<Following> {
  const { clock, discovery } = options;
  const { absentLimitMs } = discovery;
  const warn = (message: string, source: string): void => discovery.onWarning?.(message, source);
  const membership: Membership = createMembership({
    clock,
    ...(absentLimitMs !== undefined && { absentLimitMs }),
    onChange: (changes) => options.onChange(changes),
    onNews(keys) {
      if (keys.length > 0) health.changed(keys);
      knownSets.saveSoon();
    },
  });
  const health = createEndpointHealth({
    membership,
    clock,
    check: options.check,
    tls: options.tls,
    onWarning: (message) => warn(message, 'health checks'),
  });
  const knownSets = createKnownSets({
    folder: discovery.lastKnownDir,
    membership,
    clock,
    onError: (url, error) => warn(`what it told cannot be kept: ${error.message}`, url),
  });
  const specs = discovery.sources.map((source) => (typeof source === 'string' ? { url: source } : source));
  const opened = await openAll(specs, options).catch(async (error: unknown) => {
    membership.close();
    await health.close();
    throw error;
  });
  const heard = opened.map(({ source, spec }) => {
    const answered = Promise.withResolvers<void>();
    const known = knownSets.before(spec.url);
    const { listener } = membership.join({
      name: spec.url,
      rank: spec.rank ?? 0,
      known,
      schemaFor: (digest) => source.schemaFor(digest),
      onStatus({ state }) {
        if (state === 'connected') knownSets.heard(spec.url);
        // One that cannot be reached says no more for now; what it said last will do.
        if (state === 'connected' || (state === 'stale' && known.length > 0)) answered.resolve();
      },
      onWarning: (message) => warn(message, spec.url),
    });
    source.start(listener, known);
    return answered.promise;
  });
  return {
    heard: Promise.race([Promise.all(heard).then(() => undefined), sleep(clock, FIRST_WORD_MS)]),
    problem: () =>
      opened
        .flatMap(({ source, spec }) => {
          const { state, error } = source.status();
          return state === 'connected' ? [] : [`${spec.url} is ${state}${error === undefined ? '' : `: ${error}`}`];
        })
        .join('; '),
    async close() {
      const closed = opened.map(({ source, spec }) =>
        source.close().catch((error: Error) => warn(`closing it failed: ${error.message}`, spec.url)),
      );
      await Promise.race([Promise.all(closed), sleep(clock, CLOSE_MS)]);
      await knownSets.close();
      await health.close();
      membership.close();
    },
  };
}

interface Opened {
  readonly spec: DiscoverySource;
  readonly source: Source;
}

/** All, or none. */
async function openAll(specs: readonly DiscoverySource[], options: FollowOptions): Promise<Opened[]> {
  const { clock, defaults, discovery } = options;
  const results = await Promise.allSettled(
    specs.map(async (spec): Promise<Opened> => {
      const { url, rank: _, ...credentials } = spec;
      const source = await openSource({
        url: parseSystemUrl(url),
        credentials,
        defaults,
        clock,
        env: discovery.env ?? {},
        baseDir: discovery.baseDir ?? '.',
        dial: createDial(clock),
        schemas: new Map(),
      });
      return { spec, source };
    }),
  );
  const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const refused = results.find((result) => result.status === 'rejected');
  if (refused === undefined) return opened;
  await Promise.all(opened.map(({ source }) => source.close()));
  throw refused.reason;
}
