import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LOAD_CORE, startRole, type Process } from '../process.ts';
import type { FaultBackendOptions, FaultCommand, Mood } from './fault-backend-process.ts';

/** A call that a backend has begun. */
export interface Execution {
  readonly callId: string;
  readonly atMs: number;
}

/** A backend that can be made to misbehave in every way of this bench. */
export interface FaultBackend {
  readonly port: number;
  set(mood: Mood): Promise<void>;
  drain(forMs: number): Promise<void>;
  pause(): void;
  resume(): void;
  kill(): Promise<void>;
  /** Starts it at its port, after a kill. */
  restart(): Promise<void>;
  /** In order, since the last `clear`. */
  executed(): Promise<Execution[]>;
  /** Only while no call runs. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

type Options = Omit<FaultBackendOptions, 'journal' | 'port'>;

export async function startFaultBackend(folder: string, options: Options): Promise<FaultBackend> {
  const journal = join(folder, `fault-${options.seed}.calls`);
  await writeFile(journal, '');
  let port = 0;
  const start = async (): Promise<Process> => {
    const about = { logFile: `${journal}.log`, core: LOAD_CORE };
    const started = startRole('fault-backend', { ...options, journal, port }, about);
    ({ port } = (await started.ready) as { port: number });
    return started;
  };
  let child = await start();
  const ask = async (command: FaultCommand): Promise<void> => void (await child.ask(JSON.stringify(command)));
  return {
    port,
    set: (mood) => ask({ do: 'mood', ...mood }),
    drain: (forMs) => ask({ do: 'drain', forMs }),
    pause: () => void process.kill(child.pid, 'SIGSTOP'),
    resume: () => void process.kill(child.pid, 'SIGCONT'),
    kill: () => child.kill(),
    async restart() {
      child = await start();
    },
    async executed() {
      const lines = (await readFile(journal, 'latin1')).split('\n').slice(0, -1);
      return lines.map((line) => {
        const [callId = '', atMs] = line.split(' ');
        return { callId, atMs: Number(atMs) };
      });
    },
    // It appends, so a shorter file is no gap.
    clear: () => writeFile(journal, ''),
    stop: () => child.kill(),
  };
}
