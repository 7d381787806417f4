import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServeRegistry } from '@bascule/server';
import { freePorts } from '../../support/src/servers/ports.ts';
import type { RealServer } from '../../support/src/servers/real-server.ts';
import { runServer } from '../../support/src/servers/run-server.ts';
import type { Executions } from '../discovery/executions.ts';
import type { BackendOptions } from './backend-process.ts';

export interface BackendPlan {
  readonly instanceId: string;
  readonly seed: number;
  readonly registry: ServeRegistry;
  readonly folder: string;
  readonly executions: Executions;
}

/** `restart` lets it finish what it has and starts it anew, at its port, as a newer incarnation. */
export type Backend = Pick<RealServer, 'pause' | 'resume' | 'kill' | 'restart' | 'stop' | 'pid'> & {
  readonly instanceId: string;
};

let lastIncarnation = Date.now();

/** In a process of its own. Resolves when it is registered. */
export async function startBackend({ instanceId, seed, registry, folder, executions }: BackendPlan): Promise<Backend> {
  const [port] = (await freePorts(1)) as [number];
  const log = join(folder, `${instanceId}.log`);
  const readyFile = `${log}.ready`;
  writeFileSync(log, '');
  executions.addLog(log);
  const server = await runServer({
    name: 'backend',
    port,
    url: `http://127.0.0.1:${port}`,
    command() {
      rmSync(readyFile, { force: true });
      const incarnation = ++lastIncarnation;
      const options: BackendOptions = { instanceId, incarnation, port, registry, seed, log, readyFile };
      return {
        file: process.execPath,
        args: [join(import.meta.dirname, '../main.ts'), 'balancing-backend', JSON.stringify(options)],
      };
    },
    isReady: async () => existsSync(readyFile),
  });
  return Object.assign(server, { instanceId });
}
