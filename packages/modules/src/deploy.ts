import type { Clock } from '@bascule/core';
import type { Bundler } from './bundle.ts';
import type { History, VersionRecord } from './history.ts';
import type { ModuleLimits } from './limits.ts';
import { aboutOf, type Log } from './log.ts';
import { readManifest } from './manifest.ts';
import { openSources } from './origins/sources.ts';
import { ModuleRefused } from './refusal.ts';
import type { Rollout, StepTimings } from './rollout.ts';
import type { ThreadSupply } from './spare.ts';
import type { Store } from './store.ts';
import { createTrail, type Trail } from './trail.ts';
import { createVersionKeeper } from './version-keeper.ts';
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

/** Sources that are a folder now. */
interface Unpacked {
  readonly folder: string;
  readonly source: string;
  readonly unpackMs: number;
}

const NO_TIME: DeployTimings = { unpackMs: 0, bundleMs: 0, workerStartMs: 0, checkMs: 0, switchMs: 0 };

/** Makes versions of sources, and versions current. */
export function createDeployer(options: DeployerOptions): Deployer {
  const { clock, history, store, limits } = options;
  const keeper = createVersionKeeper(options);
  const open = new Set<Promise<unknown>>();

  const promote = async (record: VersionRecord, { timings, mayLose }: Promotion): Promise<DeployResult> => {
    const rollout = options.rolloutOf(record.module);
    const current = rollout.current();
    const resultOf = (version: VersionRecord, unchanged: boolean, steps?: StepTimings): DeployResult => ({
      version: viewOf(version, rollout),
      previousVersion: current?.record.version ?? '',
      unchanged,
      timings: { ...NO_TIME, ...timings, ...steps },
    });
    if (current?.record.id === record.id && current.host.state().state === 'ready') {
      return resultOf(current.record, true);
    }
    const bundlePath = await store.pathOf(record.digest);
    const published = (): void => keeper.noteCurrent(record, rollout.current()?.host.serving()?.loaded);
    const steps = await rollout.advance({ record, bundlePath, mayLose, published });
    await keeper.tidy();
    options.threads.prepare();
    return resultOf(history.get(record) ?? record, false, steps);
  };

  const deploySources = async ({ folder, source, unpackMs }: Unpacked, trail: Trail): Promise<DeployResult> => {
    const manifest = await readManifest(folder);
    trail.note({ module: manifest.module, version: manifest.version });
    return options.inTurn(manifest.module, async () => {
      // It loads the kit while the bundle is being made.
      options.threads.prepare();
      let digest = '';
      try {
        const startMs = clock.nowMs();
        const bundle = await options.bundler.bundle(manifest.entryFile, folder);
        const record = await keeper.keep({ manifest, source }, bundle);
        digest = record.digest;
        trail.note({ digest });
        const timings = { unpackMs, bundleMs: clock.nowMs() - startMs };
        return await promote(record, { timings, mayLose: false });
      } catch (error) {
        throw keeper.noteRefused({ manifest, source }, digest, error);
      }
    });
  };
  const deploy = async ({ path, source }: DeployInput, trail: Trail): Promise<DeployResult> => {
    trail.note({ source });
    const startMs = clock.nowMs();
    const sources = await openSources(path, options.folder, limits);
    const unpackMs = clock.nowMs() - startMs;
    try {
      return await deploySources({ folder: sources.folder, source, unpackMs }, trail);
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
