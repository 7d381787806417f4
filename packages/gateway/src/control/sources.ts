import { isDeepStrictEqual } from 'node:util';
import { sleep } from '@bascule/core';
import {
  createRegistryDriver,
  createSource,
  type ClosableTransport,
  type Joined,
  type LoadedState,
  type Membership,
  type Source,
} from '@bascule/discovery';
import type { DiscoverySettings } from '../config/settings-types.ts';
import type { SourceIdentity } from './known-files.ts';
import type { KnownSets } from './known-sets.ts';
import { createLeaving } from './leaving.ts';
import { openPlanned, type OpenContext } from './open-source.ts';
import type { SourceLog } from './source-log.ts';
import { planSources, planStatic, type PlacedPlan, type SourcePlan } from './source-plan.ts';
import { createStaticSource, type StaticSource } from './static-source.ts';

/** How long a start waits for the first word of every source. */
const FIRST_WORD_MS = 1_000;
/** And for that of one whose last known set will do until then. */
const NEWER_WORD_MS = 500;
/** And an end for sources to close. */
const CLOSE_MS = 2_000;
/** Names that no source of a configuration has. */
const EMBEDDED = 'registry';
const STATIC = 'static';

/** Every way by which this gateway learns who is there, feeding one membership. */
export interface Sources {
  /** Begins those of the first settings. Rejects as `update` does. */
  start(): Promise<void>;
  /**
   * Opens and closes what differs; what is the same keeps its state. What is not configured any more stays until those
   * that are new have answered, which may be later than this resolves. Rejects with SettingsRefused before anything has
   * changed. Until it resolves endpoints may be missing for a moment that are still there.
   */
  update(discovery: DiscoverySettings): Promise<void>;
  /** Resolves when every source has said its first word, or it is time to go on with what was known last. */
  firstWord(): Promise<void>;
  /** Those whose last known sets are worth keeping. */
  kept(): SourceIdentity[];
  close(): Promise<void>;
}

export interface SourcesOptions extends Omit<OpenContext, 'baseDir'> {
  readonly membership: Membership;
  readonly knownSets: KnownSets;
  readonly settings: { readonly discovery: DiscoverySettings };
  /** Token for `discovery.registry`. */
  readonly token: string;
  /** Way to the registry inside this gateway, where there is one. */
  readonly embedded: ClosableTransport | undefined;
  readonly log: SourceLog;
  /** A source says how loaded an endpoint is. */
  onLoad(key: string, utilization: number): void;
}

/** `ageMs` is left out for what is known from this very start. */
type Before = Pick<LoadedState, 'endpoints' | 'schemas'> & Partial<LoadedState>;

interface Running extends SourceIdentity {
  /** Undefined for the registry inside, which no settings change. */
  readonly plan: SourcePlan | undefined;
  readonly source: Source;
  readonly joined: Joined;
  readonly before: Before | undefined;
  /** It has answered. */
  readonly answered: Promise<void>;
  /** It has answered, or it cannot, or is slow, and what it said last is known. */
  readonly heard: Promise<void>;
}

/** A source before it joins. */
interface Opened {
  readonly plan: SourcePlan;
  readonly source: Source;
  readonly before: LoadedState | undefined;
}

/** None yet. */
export function createSources(options: SourcesOptions): Sources {
  const { membership, clock, log, settings, knownSets } = options;
  const { baseDir } = settings.discovery;
  const running = new Map<string, Running>();
  const leaving = createLeaving<Running>(end);
  const closing = new Set<Promise<void>>();
  const started = Promise.withResolvers<void>();
  let fixed: StaticSource | undefined;

  async function open(placed: PlacedPlan): Promise<Opened> {
    const { plan } = placed;
    const before = running.get(plan.name)?.url === plan.url ? undefined : knownSets.before(plan);
    const schemas = before?.schemas ?? membership.schemas();
    const source = await openPlanned(placed, schemas, { clock, env: options.env, baseDir });
    return { plan, source, before };
  }

  /** Puts an opened source into the membership. One that only asks in another way knows what the one before knew. */
  function begin({ plan, source, before }: Opened): Running {
    const old = running.get(plan.name);
    // At another address there is another system: what the old one knew is none of its business.
    if (old?.url !== plan.url) return join(plan, plan, source, before);
    const endpoints = membership.known().get(plan.name) ?? [];
    const entry = join(plan, plan, source, { endpoints, schemas: membership.schemas() });
    end(old);
    return entry;
  }

  function join(
    { name, rank, url }: Pick<SourcePlan, 'name' | 'rank' | 'url'>,
    plan: SourcePlan | undefined,
    source: Source,
    before: Before | undefined,
  ): Running {
    const answered = Promise.withResolvers<void>();
    const heard = Promise.withResolvers<void>();
    const hasKnown = before !== undefined && before.endpoints.length > 0;
    const joined = membership.join({
      name,
      rank,
      known: before?.endpoints ?? [],
      schemas: new Map([...(before?.schemas ?? []), ...(plan?.schemas ?? [])]),
      schemaFor: (digest) => source.schemaFor(digest),
      onStatus(status) {
        log.status(name, status);
        if (status.state === 'connected') answered.resolve();
        // One that cannot be reached says no more for now, and what it said last is known.
        if (status.state === 'stale' && hasKnown) heard.resolve();
      },
      onWarning: (message) => log.warning(`source ${name}`, message),
    });
    void answered.promise.then(heard.resolve);
    if (hasKnown) clock.after(NEWER_WORD_MS, heard.resolve);
    const entry: Running = {
      name,
      url,
      plan,
      source,
      joined,
      before,
      answered: answered.promise,
      heard: heard.promise,
    };
    running.set(name, entry);
    const listener = { ...joined.listener, load: (key: string, load: number) => options.onLoad(key, load) };
    source.start(listener, before?.endpoints);
    return entry;
  }

  /** Hears nothing of it from now on. */
  function closeSource({ name, source }: Running): void {
    const closed = source
      .close()
      .catch((error: Error) => log.warning(`source ${name}`, `closing it failed: ${error.message}`));
    closing.add(closed);
    void closed.finally(() => closing.delete(closed));
  }

  function end(entry: Running): void {
    closeSource(entry);
    entry.joined.leave();
  }

  function applyStatic(discovery: DiscoverySettings): void {
    const { endpoints, schemas } = planStatic(discovery);
    if (fixed === undefined && endpoints.length === 0) return;
    fixed ??= createStaticSource(membership.join({ name: STATIC }).listener, clock);
    fixed.replace(endpoints, schemas);
  }

  async function update(discovery: DiscoverySettings): Promise<void> {
    const wanted = planSources(discovery, options.token);
    const fresh = wanted.filter(({ plan }) => !isDeepStrictEqual(running.get(plan.name)?.plan, plan));
    const opened = await openAll(fresh, open);
    applyStatic(discovery);
    const urls = new Map([[EMBEDDED, ''], ...wanted.map(({ plan }) => [plan.name, plan.url] as const)]);
    const gone = [...running.values()].filter(({ name, url }) => urls.get(name) !== url);
    const isTakeover = gone.length > 0 || opened.some(({ plan }) => running.has(plan.name));
    for (const { name } of gone) running.delete(name);
    const begun = opened.map(begin);
    leaving.add(gone, begun);
    if (isTakeover) await heardOf(begun);
    for (const { name } of leaving.waiting().leaving) log.stays(name, namesOf(leaving.waiting().awaited));
  }

  async function heardOf(sources: readonly Running[]): Promise<void> {
    await Promise.race([Promise.all(sources.map(({ heard }) => heard)), sleep(clock, FIRST_WORD_MS)]);
  }

  function joinEmbedded(transport: ClosableTransport): void {
    const embedded = { name: EMBEDDED, rank: 0, url: '' };
    const before = knownSets.before(embedded);
    const schemas = before?.schemas ?? new Map<string, Uint8Array>();
    const driver = createRegistryDriver({ transport, clock, namespace: '', schemas });
    join(embedded, undefined, createSource({ driver, clock, schemas }), before);
  }

  return {
    async start() {
      if (options.embedded !== undefined) joinEmbedded(options.embedded);
      await update(settings.discovery);
      void heardOf([...running.values()]).then(started.resolve);
    },
    update,
    async firstWord() {
      await started.promise;
      for (const { name, source, before } of running.values()) {
        const status = source.status();
        if (status.state !== 'connected')
          log.unheard(name, status, { known: before?.endpoints.length ?? 0, ageMs: before?.ageMs ?? 0 });
      }
    },
    kept: () => [...running.values()].map(({ name, url }) => ({ name, url })),
    async close() {
      for (const entry of [...running.values(), ...leaving.waiting().leaving]) closeSource(entry);
      // What hangs in another system must not hold up the end of this one.
      await Promise.race([Promise.all(closing), sleep(clock, CLOSE_MS)]);
    },
  };
}

function namesOf(sources: readonly Running[]): string {
  return sources.map(({ name }) => name).join(', ');
}

/** Several sources are opened at once; when one cannot be, none stays. */
async function openAll(plans: readonly PlacedPlan[], open: (placed: PlacedPlan) => Promise<Opened>): Promise<Opened[]> {
  const results = await Promise.allSettled(plans.map(open));
  const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const refused = results.find((result) => result.status === 'rejected');
  if (refused === undefined) return opened;
  await Promise.all(opened.map(({ source }) => source.close()));
  throw refused.reason;
}
