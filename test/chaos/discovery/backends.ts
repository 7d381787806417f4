import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serve, type ServeRegistry } from '@bascule/server';
import type { Chance } from '../chance.ts';
import { freePorts } from '../../support/src/servers/ports.ts';
import type { RealServer } from '../../support/src/servers/real-server.ts';
import { runServer } from '../../support/src/servers/run-server.ts';
import type { BackendOptions } from './backend-process.ts';
import type { Executions } from './executions.ts';
import { createSteadyRoutes } from './routes.ts';

/** A server that registers itself. */
export interface Backend {
  readonly instanceId: string;
  readonly incarnation: number;
  readonly address: string;
  /** Types of what happened to its registrations, in order; for a process, as far as it has written them. */
  events(): string[];
  /** As `Server.update`; only in this process. */
  update?(update: { readonly weight: number }): void;
  /** Deregisters, drains, ends. */
  close(): Promise<void>;
}

/** One in a process of its own, which can be killed and paused. */
export interface BackendProcess extends Backend, Pick<RealServer, 'pause' | 'resume' | 'kill'> {}

export interface BackendPlan {
  readonly instanceId: string;
  /** Where it registers. */
  readonly registries: readonly ServeRegistry[];
  readonly chance: Chance;
  readonly executions: Executions;
}

const PROPAGATION_MS = 300;

let lastIncarnation = Date.now();

/** In this process. Resolves when it is registered, where it registers anywhere. */
export async function startBackend(plan: BackendPlan): Promise<Backend> {
  const { instanceId, registries, chance, executions } = plan;
  const incarnation = ++lastIncarnation;
  const events: string[] = [];
  const server = await serve({
    routes: createSteadyRoutes(chance.fork(), (id, repeatable) => executions.ran(id, repeatable, instanceId)),
    instanceId,
    incarnation,
    registry: registries,
    propagationMs: PROPAGATION_MS,
    onEvent: ({ type }) => void events.push(type),
  });
  await server.registered;
  return {
    instanceId,
    incarnation,
    address: `127.0.0.1:${server.port}`,
    events: () => events,
    update: (update) => server.update(update),
    close: () => server.close(),
  };
}

/** In a process of its own. Resolves when it is registered. */
export async function startBackendProcess(plan: BackendPlan & { readonly folder: string }): Promise<BackendProcess> {
  const { instanceId, registries, chance, executions } = plan;
  const [port] = (await freePorts(1)) as [number];
  const incarnation = ++lastIncarnation;
  const log = join(plan.folder, `${instanceId}-${incarnation}.log`);
  const eventLog = `${log}.events`;
  writeFileSync(log, '');
  executions.addLog(log);
  const seed = chance.int(2 ** 31);
  const options: BackendOptions = { instanceId, incarnation, port, registries, seed, log, eventLog };
  const events = (): string[] => (existsSync(eventLog) ? readFileSync(eventLog, 'utf8').split('\n').slice(0, -1) : []);
  const server = await runServer({
    name: 'backend',
    port,
    url: `http://127.0.0.1:${port}`,
    command: () => ({
      file: process.execPath,
      args: [join(import.meta.dirname, '../main.ts'), 'backend', JSON.stringify(options)],
    }),
    isReady: async () => events().includes('registered'),
  });
  return {
    instanceId,
    incarnation,
    address: `127.0.0.1:${port}`,
    events,
    pause: () => server.pause(),
    resume: () => server.resume(),
    kill: () => server.kill(),
    close: () => server.stop(),
  };
}
