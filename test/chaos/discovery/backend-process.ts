import { appendFileSync } from 'node:fs';
import { serve, type ServeRegistry } from '@bascule/server';
import { createChance } from '../chance.ts';
import { createSteadyRoutes } from './routes.ts';

export interface BackendOptions {
  readonly instanceId: string;
  readonly incarnation: number;
  readonly port: number;
  readonly registries: readonly ServeRegistry[];
  readonly seed: number;
  /** Gets a line for each call before it is worked on, so that it is known after a kill what was executed. */
  readonly log: string;
  /** Gets a line for each thing that happens to the registration. */
  readonly eventLog: string;
}

/** A backend for runs that kill or pause it. */
export async function runBackend(options: BackendOptions): Promise<void> {
  const { instanceId, incarnation, port, registries, log, eventLog } = options;
  await serve({
    routes: createSteadyRoutes(createChance(options.seed), (id, repeatable) => {
      appendFileSync(log, `${id} ${repeatable} ${instanceId}\n`);
    }),
    instanceId,
    incarnation,
    port,
    registry: registries,
    onEvent: ({ type }) => appendFileSync(eventLog, `${type}\n`),
  });
}
