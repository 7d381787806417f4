import { join } from 'node:path';
import { ECHO_METHOD } from '../drivers/echo-probe.ts';
import type { Counts } from './go-backend.ts';
import { startGoBackend, type GoBackend } from './go-backend.ts';
import { buildGoProgram } from './go-program.ts';

/** Server stream that the echoing backends answer. */
export const STREAM_METHOD = 'demo.places.v1.PlacesService/Nearby';

const BACKENDS = 3;

/** Starts the backends of a gateway: what they cost is small and the same for every subject. */
export async function startEchoBackends(folder: string): Promise<GoBackend[]> {
  const program = await buildGoProgram('backend-go');
  return Promise.all(
    Array.from({ length: BACKENDS }, (_, i) =>
      startGoBackend({ program, unary: ECHO_METHOD, stream: STREAM_METHOD, logFile: join(folder, `echo-${i}.log`) }),
    ),
  );
}

/** Sum over all that count. */
export async function countAll(counters: readonly { count(): Promise<Counts> }[]): Promise<Counts> {
  const counts = await Promise.all(counters.map((counter) => counter.count()));
  const sum = (read: (each: Counts) => number): number => counts.reduce((total, each) => total + read(each), 0);
  return { calls: sum((each) => each.calls), messages: sum((each) => each.messages), held: sum((each) => each.held) };
}
