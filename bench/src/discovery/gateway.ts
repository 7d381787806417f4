import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { schemaOf } from '@bascule/schema';
import { PlacesService } from '@bascule/app-backend/gen/demo/places/v1/places_pb.ts';
import type { EndpointView } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { createOperator } from '../operator.ts';
import { startBasculeGateway } from '../subjects/bascule-gateway.ts';
import { nowMs, wait } from '../time.ts';
import { createCallers, type Callers } from './callers.ts';
import type { RunningSystem } from './systems.ts';

const PATIENCE_MS = 120_000;

/** A gateway that follows one system, with callers in front of it. */
export interface DiscoveringGateway {
  readonly pid: number;
  readonly callers: Callers;
  /** Endpoints of the backends, as the operator sees them. */
  endpoints(): Promise<EndpointView[]>;
  /** Resolves at the moment at which they are as wanted. Throws when that takes too long. */
  until(isWanted: (endpoints: readonly EndpointView[]) => boolean): Promise<number>;
  stop(): Promise<void>;
}

export async function startDiscoveringGateway(folder: string, system: RunningSystem): Promise<DiscoveringGateway> {
  const home = join(folder, `gateway-${counter++}`);
  await mkdir(home);
  // For systems that have no place for descriptors: they say which methods may be repeated.
  await writeFile(join(home, 'places.binpb'), schemaOf([PlacesService]));
  const config = {
    discovery: { embeddedRegistry: false, sources: [{ url: system.url, schema: 'places.binpb', ...system.source }] },
    observe: { accessLog: 'access.log', exposeEndpoint: true },
    // Consul keeps the dead for a minute: after a few kills most of its list is failing, and would be tried again.
    services: { '*': { balancing: { panicPercent: 0 } } },
  };
  const gateway = await startBasculeGateway({ home, config, core: undefined });
  const { admin } = createOperator(gateway);
  const callers = createCallers(gateway.port);
  async function endpoints(): Promise<EndpointView[]> {
    const known = await admin.listEndpoints({});
    return known.endpoints.filter(({ services }) => services.includes(PlacesService.typeName));
  }
  return {
    pid: gateway.pid,
    callers,
    endpoints,
    async until(isWanted) {
      const startedMs = nowMs();
      for (;;) {
        const known = await endpoints();
        if (isWanted(known)) return nowMs();
        if (nowMs() - startedMs > PATIENCE_MS) {
          const states = known.map(({ instanceId, state, cause }) => `${instanceId} ${state} ${cause}`);
          throw new Error(
            `the gateway's set is not as wanted after ${PATIENCE_MS} ms: ${states.slice(0, 5).join('; ')}`,
          );
        }
        await wait(20);
      }
    },
    async stop() {
      await callers.close();
      await gateway.stop();
    },
  };
}

let counter = 0;
