import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startRole } from '../process.ts';
import type { RankingProcessOptions } from './ranking-process.ts';

/** What a backend did, by its own log. */
export interface Executions {
  readonly started: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
  /** Ids that started more than once on this backend. */
  readonly again: readonly string[];
}

/** A slow backend in a process of its own, to be killed. */
export interface RankingBackend {
  readonly instanceId: string;
  /** Forgets what was logged. Only while no call runs. */
  clear(): Promise<void>;
  read(): Promise<Executions>;
  /** SIGKILL. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

type Options = Omit<RankingProcessOptions, 'logFile'>;

export async function startRankingBackend(folder: string, options: Options): Promise<RankingBackend> {
  const { instanceId } = options;
  const calls = join(folder, `${instanceId}.calls`);
  await writeFile(calls, '');
  const child = startRole('ranking-backend', { ...options, logFile: calls }, { logFile: `${calls}.log` });
  await child.ready;
  return {
    instanceId,
    // It appends, so a shorter file is no gap.
    clear: () => writeFile(calls, ''),
    read: async () => parseExecutions(await readFile(calls, 'latin1')),
    kill: () => child.kill(),
    stop: () => child.stop(),
  };
}

function parseExecutions(text: string): Executions {
  const started = new Set<string>();
  const ended = new Set<string>();
  const again: string[] = [];
  for (const line of text.split('\n')) {
    const [what, callId] = line.split(' ');
    if (callId === undefined) continue;
    if (what === 'end') ended.add(callId);
    else if (started.has(callId)) again.push(callId);
    else started.add(callId);
  }
  return { started, ended, again };
}
