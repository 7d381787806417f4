import type { Clock } from '@bascule/core';
import { listen } from '@bascule/wire';
import { createDataPlane } from './plane.ts';
import type { DataListenOptions, DataThread, FirstSnapshot } from './thread.ts';

/** A data thread within the calling thread: what a worker runs, and what the main thread runs with `workers: 0`. */
export async function createLocalThread(
  options: DataListenOptions & { readonly clock: Clock },
  first: FirstSnapshot,
): Promise<DataThread> {
  const plane = createDataPlane(options.clock);
  plane.apply(first.snapshot, first.ports);
  const listener = await listen({
    ...options,
    service: plane.service,
    webSocket: { cors: () => plane.cors() },
    onAbuse: (kind) => plane.countAbuse(kind),
  }).catch(async (error: unknown) => {
    await plane.close();
    throw error;
  });
  return {
    port: listener.port,
    async apply(snapshot, ports) {
      plane.apply(snapshot, ports);
    },
    async collect() {
      return plane.report(listener.openCalls());
    },
    async loads(withinMs) {
      return plane.loads(withinMs);
    },
    async close(graceMs) {
      await listener.close(graceMs);
      await plane.close();
    },
  };
}
