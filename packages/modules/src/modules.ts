import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessagePort } from 'node:worker_threads';
import { endpointKey, type Clock } from '@bascule/core';
import { createBundler } from './bundle.ts';
import { createDeployer, type DeployInput, type DeployResult } from './deploy.ts';
import { lockFolder } from './folder-lock.ts';
import { openHistory, type History } from './history.ts';
import { DEFAULT_LIMITS, type ModuleLimits } from './limits.ts';
import { aboutOf, type Log } from './log.ts';
import { createPublisher, type ModuleGroup } from './publisher.ts';
import { createQueue, type Queue } from './queue.ts';
import { messageOf, ModuleRefused } from './refusal.ts';
import { createRollout, type Rollout } from './rollout.ts';
import { createThreadSupply } from './spare.ts';
import { openStore, type Store } from './store.ts';
import { listVersions, type VersionView } from './version-view.ts';
import { buildWorkerCode } from './worker-code.ts';

export interface ModulesOptions {
  /** Folder for the store and the history, below `modules/`. Made if missing; one process at a time. */
  readonly stateDir: string;
  readonly clock: Clock;
  readonly limits?: Partial<ModuleLimits>;
  /**
   * Makes the given groups, all there are, the ones that new calls go to. Must resolve when every data thread uses
   * them: the version before begins to drain then. Called for one change at a time.
   */
  publish(groups: readonly ModuleGroup[]): Promise<void>;
  readonly log: Log;
}

/** Modules and their versions: deploy, promote, roll back, restore. */
export interface Modules {
  /** Starts what was current when the last process ended. Resolves after the first attempt of each. */
  restore(): Promise<void>;
  /** Makes a folder or a .tgz the current version of its module. Throws ModuleRefused; then nothing has changed. */
  deploy(input: DeployInput): Promise<DeployResult>;
  /** Makes the version before, or a named one, current again from its stored bits. Throws ModuleRefused. */
  rollback(module: string, version?: string): Promise<DeployResult>;
  /** All known versions of all modules, latest first. */
  versions(): VersionView[];
  /** A way to a published endpoint by its `endpointKey`. Throws when that start of the version takes no new ports. */
  openPort(key: string): MessagePort;
  /** Ends all workers with their calls, and waits for them. */
  close(): Promise<void>;
}

/** Opens the modules of a state folder. Starts nothing: see `restore`. Throws when another process has the folder. */
export async function createModules(options: ModulesOptions): Promise<Modules> {
  const { clock, log } = options;
  const limits: ModuleLimits = { ...DEFAULT_LIMITS, ...options.limits };
  const folder = join(options.stateDir, 'modules');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const unlock = lockFolder(folder);
  const { store, history } = await openFolder(folder).catch((error: unknown) => {
    unlock();
    throw error;
  });
  const bundler = createBundler(limits.maxUnpackedBytes);
  const threads = createThreadSupply({ code: await buildWorkerCode(folder, bundler, log), limits, clock });
  const publisher = createPublisher({
    publish: (groups) => options.publish(groups),
    clock,
    timeoutMs: limits.publishTimeoutMs,
  });
  const rollouts = new Map<string, Rollout>();
  const queues = new Map<string, Queue>();
  let starts = 0;
  let closing: Promise<void> | undefined;

  const rolloutOf = (module: string): Rollout => {
    let rollout = rollouts.get(module);
    if (rollout === undefined) {
      rollout = createRollout({ module, limits, clock, threads, publisher, log, nextIncarnation: () => ++starts });
      rollouts.set(module, rollout);
    }
    return rollout;
  };
  /** One deployment, rollback or restore at a time per module. */
  const inTurn = <T>(module: string, job: () => Promise<T>): Promise<T> => {
    let queue = queues.get(module);
    if (queue === undefined) {
      queue = createQueue();
      queues.set(module, queue);
    }
    return queue(async () => {
      if (closing !== undefined) throw new ModuleRefused('the gateway is closing', 'Try again when it runs');
      return job();
    });
  };
  const deployer = createDeployer({ folder, limits, clock, store, history, bundler, threads, rolloutOf, inTurn, log });

  const resume = async (module: string): Promise<void> => {
    const record = history.current(module);
    if (record === undefined) return;
    try {
      await rolloutOf(module).resume(record, await store.pathOf(record.digest));
    } catch (error) {
      log({
        level: 'error',
        message: 'a module could not be restored',
        ...aboutOf(record),
        reason: messageOf(error),
      });
    }
  };
  const closeAll = async (): Promise<void> => {
    publisher.close();
    const endWorkers = (): Promise<unknown> => Promise.all([...rollouts.values()].map((rollout) => rollout.close()));
    await endWorkers();
    await deployer.idle();
    await Promise.all([...queues.values()].map((queue) => queue(async () => undefined)));
    // A deployment that was under way may have started one more before it saw the end.
    await endWorkers();
    await threads.close();
    await bundler.close();
    history.close();
    unlock();
  };

  return {
    async restore() {
      const known = history.modules();
      await Promise.all(known.map((module) => inTurn(module, () => resume(module))));
      if (known.length > 0 && closing === undefined) threads.prepare();
    },
    deploy: (input) => deployer.deploy(input),
    rollback: (module, version) => deployer.rollback(module, version),
    versions: () => listVersions(history, rollouts),
    openPort(key) {
      for (const rollout of rollouts.values()) {
        const live = rollout.lives().find(({ host }) => keyOf(host.serving()?.endpoint) === key);
        if (live !== undefined) return live.host.openPort();
      }
      throw new Error(`no module version runs as ${key}`);
    },
    close: () => (closing ??= closeAll()),
  };
}

function keyOf(endpoint: Parameters<typeof endpointKey>[0] | undefined): string | undefined {
  return endpoint === undefined ? undefined : endpointKey(endpoint);
}

async function openFolder(folder: string): Promise<{ store: Store; history: History }> {
  await removeUnpacked(folder);
  return { store: await openStore(join(folder, 'store')), history: openHistory(join(folder, 'history.sqlite')) };
}

/** What a crash left of packages that were being unpacked. */
async function removeUnpacked(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.startsWith('unpack-')) await rm(join(folder, name), { recursive: true, force: true });
  }
}
