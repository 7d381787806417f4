import { join } from 'node:path';
import { startRole } from '../process.ts';
import type { UnaryProcessOptions } from './unary-process.ts';
import type { UnaryReport } from './unary-report.ts';

/** A unary driver in a process of its own. */
export interface RemoteUnaryDriver {
  connect(connections: number): Promise<void>;
  /** Without a pace each connection calls without pause. */
  start(perSecond?: number): Promise<void>;
  stop(): Promise<UnaryReport>;
  end(): Promise<void>;
}

/** Distinguishes drivers of a run by their call ids. */
let drivers = 0;

export async function startUnaryDriver(
  folder: string,
  { core, ...options }: Omit<UnaryProcessOptions, 'driver' | 'host'> & { readonly core?: number },
): Promise<RemoteUnaryDriver> {
  const driver = ++drivers;
  const logFile = join(folder, `unary-driver-${driver}.log`);
  const child = startRole('unary-driver', { host: '127.0.0.1', driver, ...options }, { logFile, core });
  await child.ready;
  const ask = <T>(command: object): Promise<T> => child.ask<T>(JSON.stringify(command));
  return {
    connect: (connections) => ask({ do: 'connect', connections }),
    start: (perSecond) => ask({ do: 'start', perSecond }),
    stop: () => ask<UnaryReport>({ do: 'stop' }),
    end: () => child.stop(),
  };
}
