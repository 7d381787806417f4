import type { ServeRegistry } from '@bascule/server';
import { makeFolder } from '../../support/src/servers/folders.ts';
import { startBackend, startBackendProcess, type Backend, type BackendPlan, type BackendProcess } from './backends.ts';
import { createExecutions, type Executions } from './executions.ts';
import { describe, observe, type Observer } from './observer.ts';
import { createConfig, place, toSource, type Placed } from './place.ts';
import { startGatewayProcess, type GatewayProcess } from './programs.ts';
import type { Scene } from './scene.ts';
import type { System } from './systems.ts';
import { createTraffic, type Traffic } from './traffic.ts';
import { isAnyCallable, untilTrue, type Living } from './truth.ts';

export interface WorldOptions {
  readonly systems: readonly System[];
  /** In this process, called `a`, `b` and so on. Default 3. */
  readonly backends?: number;
  readonly ttlMs: number;
  /** Whether faults of the network are played. Default false. */
  readonly relayed?: boolean;
  /** More sources for the gateway, as in its configuration. */
  readonly sources?: readonly object[];
  /** Rank of the systems. Default 0. */
  readonly rank?: number;
}

/** Systems, a gateway that watches them, backends that register with all of them, and callers. */
export interface World {
  readonly systems: readonly Placed[];
  readonly gateway: GatewayProcess;
  readonly executions: Executions;
  readonly traffic: Traffic;
  /** Who is there in truth. */
  readonly living: Living;
  readonly observer: () => Observer;
  /** Ends the watching of a gateway that is about to end. */
  lookAway(): Promise<void>;
  /** Looks at the gateway that has taken its place. */
  lookAgain(): void;
  /** Calls that had ended before the present gateway began. */
  readonly callsBefore: () => number;
  /** Resolves when it is registered. One of a known name takes the place of that one, which goes on by itself. */
  add(instanceId: string): Promise<Backend>;
  addProcess(instanceId: string): Promise<BackendProcess>;
  /** It deregisters, drains and ends. */
  retire(instanceId: string): Promise<void>;
}

export async function startWorld(scene: Scene, options: WorldOptions): Promise<World> {
  const { chance, stack } = scene;
  const folder = makeFolder('chaos');
  stack.defer(() => folder.remove());
  const systems = await Promise.all(options.systems.map((system) => place(scene, system, options.relayed === true)));
  const executions = createExecutions();
  const living: Living = { backends: new Map(), identify: systems[0]?.identify ?? ((backend) => backend) };
  const registries = systems.flatMap((system) => toRegistry(system, options.ttlMs));
  const planOf = (instanceId: string): BackendPlan => ({ instanceId, registries, chance: chance.fork(), executions });

  async function tell(): Promise<void> {
    for (const { write } of systems) await write?.([...living.backends.values()]);
  }

  async function keep<B extends Backend>(backend: B): Promise<B> {
    living.backends.set(backend.instanceId, backend);
    stack.defer(() => backend.close());
    await tell();
    return backend;
  }

  const add = async (instanceId: string): Promise<Backend> => keep(await startBackend(planOf(instanceId)));
  for (const name of 'abcdefgh'.slice(0, options.backends ?? 3)) await add(name);
  const workers = chance.chance(0.25) ? 2 : 0;
  const sources = [...systems.map((system) => toSource(system, options.rank ?? 0)), ...(options.sources ?? [])];
  const gateway = await startGatewayProcess({ folder: folder.path, workers, config: createConfig(scene, sources) });
  stack.defer(() => gateway.stop());
  const traffic = createTraffic(chance.fork());
  stack.defer(() => traffic.stop());

  let callsBefore = 0;
  let isGuarded = false;
  let observer: Observer | undefined;
  const look = (): void => {
    observer = observe(gateway, {
      onView(view) {
        if (isGuarded && !isAnyCallable(view, living)) scene.wrong(`nobody who lives gets calls: ${describe(view)}`);
        const unexplained = view.removals.filter(({ cause, source }) => cause === '' || source === '');
        for (const { instanceId } of unexplained) scene.wrong(`${instanceId} left without a cause`);
      },
      onLost: (why) => scene.wrong(`the gateway shows no views: ${why}`),
    });
  };
  const lookAway = async (): Promise<void> => {
    isGuarded = false;
    await observer?.stop();
  };
  stack.defer(lookAway);
  look();
  const world: World = {
    systems,
    gateway,
    executions,
    traffic,
    living,
    observer: () => observer as Observer,
    lookAway,
    callsBefore: () => callsBefore,
    lookAgain() {
      callsBefore = traffic.calls.length;
      look();
      isGuarded = true;
    },
    add,
    addProcess: async (instanceId) => keep(await startBackendProcess({ ...planOf(instanceId), folder: folder.path })),
    async retire(instanceId) {
      const backend = living.backends.get(instanceId);
      living.backends.delete(instanceId);
      scene.note(`${instanceId} leaves`);
      await tell();
      await backend?.close();
    },
  };
  await untilTrue(world);
  isGuarded = true;
  traffic.start(gateway.baseUrl);
  await traffic.more(10);
  return world;
}

function toRegistry({ urlAt, server, relays, credentials, write }: Placed, ttlMs: number): ServeRegistry[] {
  if (write !== undefined) return [];
  return [{ url: urlAt(relays?.toBackends.port ?? server.port), ttlMs, ...credentials }];
}
