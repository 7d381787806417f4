import { join } from 'node:path';
import { startRole } from '../process.ts';
import type { StreamReport } from './stream-driver.ts';

/** A stream driver in a process of its own, on the core of the load. */
export interface RemoteStreamDriver {
  open(count: number, lifetimeMs?: number): Promise<StreamReport>;
  report(): Promise<StreamReport>;
  /** Ends all streams as their caller. */
  endStreams(): Promise<StreamReport>;
  end(): Promise<void>;
}

/** Above every unary driver's number, so that no call id comes twice. */
const DRIVER = 0x1000;

export async function startStreamDriver(
  folder: string,
  options: { readonly port: number; readonly intervalMs: number },
): Promise<RemoteStreamDriver> {
  const logFile = join(folder, 'stream-driver.log');
  const all = { host: '127.0.0.1', driver: DRIVER, ...options };
  const child = startRole('stream-driver', all, { logFile });
  await child.ready;
  const ask = (command: object): Promise<StreamReport> => child.ask(JSON.stringify(command));
  return {
    open: (count, lifetimeMs) => ask({ do: 'open', count, lifetimeMs }),
    report: () => ask({ do: 'report' }),
    endStreams: () => ask({ do: 'end' }),
    end: () => child.stop(),
  };
}
