import type { Clock } from '@bascule/core';
import type { Bundler } from './bundle.ts';
import type { History, VersionRecord } from './history.ts';
import type { ModuleLimits } from './limits.ts';
import { aboutOf, type Log } from './log.ts';
import { readManifest, type Manifest } from './manifest.ts';
import { openSources } from './origins/sources.ts';
import { createQueue } from './queue.ts';
import { messageOf, ModuleRefused, toRefusal } from './refusal.ts';
import type { Rollout, StepTimings } from './rollout.ts';
import type { ThreadSupply } from './spare.ts';
import type { Store } from './store.ts';
import { createTrail, type Trail } from './trail.ts';
import { viewOf, type VersionView } from './version-view.ts';

export interface DeployInput {
  /** A folder or a .tgz; a relative one from the working folder of the process. */
  readonly path: string;
  /** Where it came from, for the history: as the operator named it. */
  readonly source: string;
}

/** Where the time of a deployment went. */
export interface DeployTimings extends StepTimings {
  readonly unpackMs: number;
  /** Bundling and storing. */
  readonly bundleMs: number;
}

export interface DeployResult {
  readonly version: VersionView;
  /** Version that was current before; empty if there was none. */
  readonly previousVersion: string;
  /** True when just these bits were current already, and nothing was done. */
  readonly unchanged: boolean;
  readonly timings: DeployTimings;
}

export interface DeployerOptions {
  /** Packages are unpacked in here. */
  readonly folder: string;
  readonly limits: ModuleLimits;
  readonly clock: Clock;
  readonly store: Store;
  readonly history: History;
  readonly bundler: Bundler;
  readonly threads: ThreadSupply;
  readonly log: Log;
  rolloutOf(module: string): Rollout;
  inTurn<T>(module: string, job: () => Promise<T>): Promise<T>;
}

export interface Deployer {
  deploy(input: DeployInput): Promise<DeployResult>;
  rollback(module: string, version?: string): Promise<DeployResult>;
  /** Resolves when no call of the two above is open. */
  idle(): Promise<void>;
}

interface Promotion {
  readonly timings: Partial<DeployTimings>;
  /** Callers may lose what only the present version has. */
  readonly mayLose: boolean;
}

/** How far sources have come. */
interface Way {
  readonly trail: Trail;
  readonly unpackMs: number;
}

const NO_TIME: DeployTimings = { unpackMs: 0, bundleMs: 0, workerStartMs: 0, checkMs: 0, switchMs: 0 };

/** Makes versions of sources, and versions current. */
export function createDeployer(options: DeployerOptions): Deployer {
  const { clock, history, store, limits, log } = options;
  const open = new Set<Promise<unknown>>();
  // Bits that are stored but not yet in the history would be swept away by another module's deployment.
  const storage = createQueue();

  const keep = (manifest: Manifest, source: string, bundle: Uint8Array): Promise<VersionRecord> =>
    storage(async () => {
      const { module, version, name } = manifest;
      const digest = await store.put(bundle, { module, version, name });
      const known = history.get({ module, version, digest });
      return known?.state === 'stored'
        ? known
        : history.record(createRecord(manifest, { source, digest, deployedAtMs: clock.wallMs() }));
    });
  const tidy = (): Promise<void> =>
    storage(async () => {
      history.prune(limits.maxHistory);
      await store.sweep(new Set(history.list().flatMap(({ digest }) => (digest === '' ? [] : [digest]))));
    }).catch((error: unknown) =>
      log({ level: 'warn', message: 'old versions could not be removed', reason: messageOf(error) }),
    );

  const promote = async (record: VersionRecord, how: Promotion): Promise<DeployResult> => {
    const { timings, mayLose } = how;
    const rollout = options.rolloutOf(record.module);
    const current = rollout.current();
    if (current?.record.id === record.id && current.host.state().state === 'ready') {
      return {
        version: viewOf(current.record, rollout),
        previousVersion: current.record.version,
        unchanged: true,
        timings: { ...NO_TIME, ...timings },
      };
    }
    const bundlePath = await store.pathOf(record.digest);
    const published = (): void => remember(record, rollout);
    const steps = await rollout.advance({ record, bundlePath, mayLose, published });
    await tidy();
    options.threads.prepare();
    const version = viewOf(history.get(record) ?? record, rollout);
    return {
      version,
      previousVersion: current?.record.version ?? '',
      unchanged: false,
      timings: { ...NO_TIME, ...timings, ...steps },
    };
  };
  /** Comes when the version serves already: a history that cannot be written must not end it. */
  const remember = (record: VersionRecord, rollout: Rollout): void => {
    const loaded = rollout.current()?.host.serving()?.loaded;
    const { services, schemaDigest } = loaded ?? record;
    try {
      history.record({ ...record, services, schemaDigest, state: 'stored', reason: '' });
      history.setCurrent(record.module, record.id);
    } catch (error) {
      log({
        level: 'error',
        message: 'the current version could not be written to the history',
        ...aboutOf(record),
        reason: messageOf(error),
      });
    }
  };
  const refuse = (manifest: Manifest, source: string, failure: { error: unknown; digest: string }): ModuleRefused => {
    const refusal = toRefusal(failure.error, 'See the log of the gateway');
    const { module, version } = manifest;
    // The same bits may have served before: they stay something to go back to.
    if (history.get({ module, version, digest: failure.digest })?.services.length) return refusal;
    history.record({
      ...createRecord(manifest, { source, digest: failure.digest, deployedAtMs: clock.wallMs() }),
      state: 'refused',
      reason: refusal.message,
    });
    return refusal;
  };

  const deploySources = async (folder: string, source: string, way: Way): Promise<DeployResult> => {
    const { trail, unpackMs } = way;
    const manifest = await readManifest(folder);
    trail.note({ module: manifest.module, version: manifest.version });
    return options.inTurn(manifest.module, async () => {
      // It loads the kit while the bundle is being made.
      options.threads.prepare();
      let digest = '';
      try {
        const startMs = clock.nowMs();
        const record = await keep(manifest, source, await options.bundler.bundle(manifest.entryFile, folder));
        digest = record.digest;
        trail.note({ digest });
        const timings = { unpackMs, bundleMs: clock.nowMs() - startMs };
        return await promote(record, { timings, mayLose: false });
      } catch (error) {
        throw refuse(manifest, source, { error, digest });
      }
    });
  };
  const deploy = async ({ path, source }: DeployInput, trail: Trail): Promise<DeployResult> => {
    trail.note({ source });
    const startMs = clock.nowMs();
    const sources = await openSources(path, options.folder, limits);
    try {
      return await deploySources(sources.folder, source, { trail, unpackMs: clock.nowMs() - startMs });
    } finally {
      await sources.dispose();
    }
  };
  const rollback = (module: string, version: string, trail: Trail): Promise<DeployResult> =>
    options.inTurn(module, async () => {
      const named = version !== '';
      trail.note({ module, version });
      const record = named ? history.find(module, version) : history.previous(module);
      if (record === undefined) {
        const what = named ? `version ${version}` : 'version before the current one';
        throw new ModuleRefused(`module "${module}" has no ${what}`, 'See the list of versions');
      }
      trail.note(aboutOf(record));
      // Only what was current once has its services in the history.
      return promote(record, { timings: {}, mayLose: record.services.length > 0 });
    });
  const track = (
    action: 'deploy' | 'rollback',
    job: (trail: Trail) => Promise<DeployResult>,
  ): Promise<DeployResult> => {
    const trail = createTrail(action, options);
    const call = trail.follow(job(trail));
    open.add(call);
    return call.finally(() => open.delete(call));
  };

  return {
    deploy: (input) => track('deploy', (trail) => deploy(input, trail)),
    rollback: (module, version = '') => track('rollback', (trail) => rollback(module, version, trail)),
    async idle() {
      await Promise.allSettled(open);
    },
  };
}

function createRecord(
  manifest: Manifest,
  about: { source: string; digest: string; deployedAtMs: number },
): Omit<VersionRecord, 'id'> {
  const { module, version } = manifest;
  return { module, version, ...about, services: [], schemaDigest: '', state: 'stored', reason: '' };
}
