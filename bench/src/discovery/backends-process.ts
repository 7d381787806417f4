import { createInterface } from 'node:readline';
import { serve, type Server } from '@bascule/server';
import type { Credentials } from '@bascule/discovery';
import type { ConnectRouter } from '@connectrpc/connect';
import { PlacesService } from '@bascule/app-backend/gen/demo/places/v1/places_pb.ts';
import { nowMs } from '../time.ts';

export interface BackendsOptions {
  readonly url: string;
  readonly credentials: Credentials;
  readonly ttlMs: number;
  readonly propagationMs: number;
}

const routes = (router: ConnectRouter): void => {
  router.service(PlacesService, { search: ({ query }) => ({ places: [{ name: query }] }) });
};

/**
 * Many servers in one process, each on its port, each registered by itself. Lines: `start N CONCURRENCY`,
 * `restart CONCURRENCY` (a new one registered, then the old one closed, as a rolling restart does), `end`.
 */
export async function run(options: BackendsOptions): Promise<void> {
  const servers: Server[] = [];
  let incarnation = Math.floor(nowMs());

  async function start(i: number): Promise<Server> {
    const { url, credentials, ttlMs, propagationMs } = options;
    const server = await serve({
      routes,
      registry: { url, ttlMs, ...credentials },
      instanceId: `backend-${process.pid}-${i}`,
      incarnation: ++incarnation,
      propagationMs,
    });
    await server.registered;
    return server;
  }

  async function restart(i: number): Promise<void> {
    const old = servers[i] as Server;
    servers[i] = await start(i);
    await old.close();
  }

  console.log('{"ready":true}');
  for await (const line of createInterface({ input: process.stdin })) {
    const [what, ...numbers] = line.split(' ');
    const startedMs = nowMs();
    if (what === 'start') {
      const [count = 1, concurrency = 1] = numbers.map(Number);
      await eachOf(count, concurrency, async (i) => {
        servers[i] = await start(i);
      });
    }
    if (what === 'restart') await eachOf(servers.length, Number(numbers[0]), restart);
    if (what === 'end') await Promise.all(servers.splice(0).map((server) => server.close()));
    console.log(JSON.stringify({ startedMs, endedMs: nowMs() }));
  }
}

/** Calls `work` with 0 to `count` - 1, `concurrency` at a time. */
export async function eachOf(count: number, concurrency: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
}
