import type { Change, Clock, Endpoint } from '@bascule/core';
import {
  createMembership,
  type ClosableTransport,
  type MemberRecord,
  type Membership,
  type RemovalRecord,
  type SourceRecord,
} from '@bascule/discovery';
import type { Settings } from '../config/settings-types.ts';
import type { Log } from '../log.ts';
import type { EndpointLoad } from '@bascule/client';
import { createHealth } from './health.ts';
import { createKnownSets } from './known-sets.ts';
import { createSourceLog } from './source-log.ts';
import { createSources } from './sources.ts';

/** Who is there: sources, what was known last, and checks, in one membership. */
export interface Discovery {
  /** Whom calls may go to. */
  endpoints(): Endpoint[];
  members(): MemberRecord[];
  member(key: string): MemberRecord | undefined;
  removals(): RemovalRecord[];
  sources(): SourceRecord[];
  schema(digest: string): Uint8Array | undefined;
  counters(): DiscoveryCounters;
  /** The longest that any source has not been connected; 0 when all are. */
  staleSeconds(): number;
  /** Calls `listener` after each change of anything above, until the returned function is called. */
  onNews(listener: () => void): () => void;
  /** Begins all sources. Rejects with SettingsRefused. */
  start(): Promise<void>;
  /** After `start`: resolves when every source has answered once, or it is time to go on without. */
  firstWord(): Promise<void>;
  /** Takes over changed settings. Rejects with SettingsRefused, and then nothing has changed. */
  update(settings: Settings): Promise<void>;
  close(): Promise<void>;
}

export interface DiscoveryCounters extends ReturnType<Membership['counters']> {
  readonly checks: { readonly pass: number; readonly fail: number };
}

export interface DiscoveryOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly token: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: Log;
  /** Way to the registry inside this gateway, where there is one. */
  readonly embedded: ClosableTransport | undefined;
  /** What endpoints have told the data threads of their load since `withinMs` ago. */
  loads(withinMs: number): Promise<readonly EndpointLoad[]>;
  /** Endpoints or their descriptors have changed: a new picture is due. */
  onChange(): void;
}

/** Nobody is there before `start`. */
export function createDiscovery(options: DiscoveryOptions): Discovery {
  const { settings, clock } = options;
  const { absentLimitMs } = settings.discovery;
  const log = createSourceLog(options.log, clock);
  const listeners = new Set<() => void>();
  /** While sources take each other's place: what was there before they began to. */
  let held: Endpoint[] | undefined;
  let hasChanged = false;

  const membership = createMembership({
    clock,
    ...(absentLimitMs !== undefined && { absentLimitMs }),
    onChange(changes) {
      hasChanged = true;
      logRemovals(changes);
    },
    onNews(keys) {
      for (const key of keys) log.health(key, membership.member(key));
      // A doubt is no change, and has to be looked into.
      if (keys.length > 0) health.changed(keys);
      knownSets.saveSoon();
      // No keys: descriptors may have come. Others without a change are about causes alone, which no picture shows.
      if (held === undefined && (hasChanged || keys.length === 0)) options.onChange();
      hasChanged = false;
      for (const listener of listeners) listener();
    },
  });
  const health = createHealth({
    membership,
    clock,
    settings,
    loads: (withinMs) => options.loads(withinMs),
    onWarning: (message) => log.warning('health checks', message),
  });
  const knownSets = createKnownSets({
    membership,
    clock,
    stateDir: settings.stateDir,
    maxAgeMs: settings.discovery.lastKnownMaxAgeMs,
    kept: () => sources.kept(),
    onError: (name, error) => log.notSaved(name, error),
  });
  const { token, env, embedded } = options;
  const sources = createSources({
    membership,
    knownSets,
    clock,
    settings,
    log,
    token,
    env,
    embedded,
    onLoad: (key, utilization) => health.reportLoad(key, utilization),
  });

  function logRemovals(changes: readonly Change[]): void {
    const causes = changes.flatMap((change) => (change.type === 'remove' ? [change.cause] : []));
    if (causes.length > 0) log.removed(causes, membership.removals().slice(0, causes.length));
  }

  const endpointsNow = (): Endpoint[] => membership.members().map(({ endpoint }) => endpoint);

  return {
    endpoints: () => held ?? endpointsNow(),
    members: () => membership.members(),
    member: (key) => membership.member(key),
    removals: () => membership.removals(),
    sources: () => membership.sources(),
    schema: (digest) => membership.schema(digest),
    counters: () => ({ ...membership.counters(), checks: health.counts() }),
    staleSeconds() {
      const sinceMs = membership.sources().flatMap(({ status }) => {
        return status.state === 'connected' ? [] : [status.sinceMs];
      });
      return sinceMs.length === 0 ? 0 : Math.max(0, clock.wallMs() - Math.min(...sinceMs)) / 1000;
    },
    onNews(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    start: () => sources.start(),
    firstWord: () => sources.firstWord(),
    async update(next) {
      held = endpointsNow();
      try {
        await sources.update(next.discovery);
        health.update(next);
      } finally {
        held = undefined;
        options.onChange();
      }
    },
    async close() {
      await sources.close();
      await knownSets.close();
      await health.close();
      membership.close();
      log.close();
    },
  };
}
