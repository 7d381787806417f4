import { endpointKey, type Clock } from '@bascule/core';
import {
  createModules,
  listOutsideInputs,
  readManifest,
  watchFolder,
  type ModuleGroup,
  type Modules,
} from '@bascule/modules';
import type { Settings } from '../config/settings-types.ts';
import type { Log } from '../log.ts';

const MIB = 1_048_576;

/** The versions of handler modules in this gateway, and the folders that are deployed as they are saved. */
export interface Rollouts {
  readonly modules: Modules;
  /** The current version of each module, as last published. */
  groups(): readonly ModuleGroup[];
  /** How often a version became current since the start, by module. */
  swaps(): ReadonlyMap<string, number>;
  /** Brings back what was current, then deploys watched folders whose module has no version yet. */
  start(): Promise<void>;
  /** Takes over the watched folders of changed settings. */
  update(settings: Settings): void;
  close(): Promise<void>;
}

export interface RolloutsOptions {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly log: Log;
  /** Puts the groups into a snapshot; resolves when every data thread uses it. */
  publish(): Promise<void>;
}

export async function createRollouts(options: RolloutsOptions): Promise<Rollouts> {
  const { settings, clock, log } = options;
  let groups: readonly ModuleGroup[] = [];
  const swaps = new Map<string, number>();
  const watched = new Map<string, { close(): void }>();
  const modules = await createModules({
    stateDir: settings.stateDir,
    clock,
    log,
    limits: {
      maxHeapBytes: settings.modules.maxHeapMib * MIB,
      maxExternalBytes: settings.modules.maxExternalMib * MIB,
      loadTimeoutMs: settings.modules.loadTimeoutMs,
      drainTimeoutMs: settings.modules.drainTimeoutMs ?? 0,
      maxPackageBytes: settings.modules.maxPackageBytes,
      maxMessageBytes: settings.calls.maxMessageBytes,
    },
    async publish(next) {
      const before = new Set(groups.map((group) => endpointKey(group.endpoint)));
      groups = next;
      await options.publish();
      for (const { module, endpoint } of next) {
        if (!before.has(endpointKey(endpoint))) swaps.set(module, (swaps.get(module) ?? 0) + 1);
      }
    },
  });

  async function deployFolder(folder: string): Promise<void> {
    try {
      await modules.deploy({ path: folder, source: folder });
    } catch (error) {
      log({ level: 'error', message: `${folder} was not deployed: ${(error as Error).message}` });
    }
  }

  async function isServed(folder: string): Promise<boolean> {
    const manifest = await readManifest(folder).catch(() => undefined);
    return manifest !== undefined && groups.some((group) => group.module === manifest.module);
  }

  function watch(folders: readonly string[]): void {
    for (const [folder, watcher] of watched) {
      if (folders.includes(folder)) continue;
      watcher.close();
      watched.delete(folder);
    }
    for (const folder of folders) {
      if (watched.has(folder)) continue;
      const watcher = watchFolder({
        folder,
        clock,
        onChange: () => deployFolder(folder),
        inputs: () => listOutsideInputs(folder),
        onError: (error) => log({ level: 'warn', message: `saves may go unnoticed: ${error.message}`, folder }),
      });
      watched.set(folder, watcher);
    }
  }

  return {
    modules,
    groups: () => groups,
    swaps: () => swaps,
    async start() {
      await modules.restore();
      for (const folder of settings.modules.watch) {
        // What an operator made current stays current over a restart, though the folder may say otherwise.
        if (!(await isServed(folder))) await deployFolder(folder);
      }
      watch(settings.modules.watch);
    },
    update: (next) => watch(next.modules.watch),
    async close() {
      watch([]);
      await modules.close();
    },
  };
}
