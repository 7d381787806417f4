import { appendFileSync, writeFileSync } from 'node:fs';
import { serve, type ServeRegistry } from '@bascule/server';
import { createChance } from '../chance.ts';
import { createSteadyRoutes } from '../discovery/routes.ts';

export interface BackendOptions {
  readonly instanceId: string;
  readonly incarnation: number;
  readonly port: number;
  readonly registry: ServeRegistry;
  readonly seed: number;
  /** Gets a line for each call before it is worked on, so that it is known after a kill what was executed. */
  readonly log: string;
  /** Written when it is registered. */
  readonly readyFile: string;
}

/** A backend to be killed, paused, and asked to end. */
export async function runBackend(options: BackendOptions): Promise<void> {
  const { instanceId, incarnation, port, registry, seed, log, readyFile } = options;
  const server = await serve({
    routes: createSteadyRoutes(createChance(seed), (id, repeatable) => {
      appendFileSync(log, `${id} ${repeatable} ${instanceId}\n`);
    }),
    instanceId,
    incarnation,
    port,
    registry,
  });
  process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
  await server.registered;
  writeFileSync(readyFile, '');
}
