import { Worker, type MessagePort } from 'node:worker_threads';
import { formatMib, lastHeapBytes, type ModuleLimits } from './limits.ts';
import { messageOf } from './refusal.ts';
import type { WorkerInput } from './worker/messages.ts';

/** Environment variables a worker sees; anything else of ours may be a secret. */
const PASSED_ENVIRONMENT = ['NODE_ENV', 'TZ', 'LANG', 'LC_ALL'];
const MIB = 1024 * 1024;

/** A worker that sees nothing of this process that is not a module's. */
export function createWorker(code: URL, limits: ModuleLimits, control: MessagePort): Worker {
  const input: WorkerInput = { control };
  const env: Record<string, string> = {};
  for (const name of PASSED_ENVIRONMENT) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return new Worker(code, {
    name: 'bascule-module',
    // Flags and arguments of the gateway are not the module's.
    execArgv: [],
    argv: [],
    env,
    workerData: input,
    transferList: [control],
    resourceLimits: { maxOldGenerationSizeMb: Math.ceil(lastHeapBytes(limits) / MIB) },
    stdout: true,
    stderr: true,
  });
}

/** Why a worker died, for people: what it threw, or its heap was full. */
export function describeCrash(error: unknown, limits: ModuleLimits): string {
  if ((error as NodeJS.ErrnoException | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return `the worker filled its JavaScript heap in one go; ${formatMib(limits.maxHeapBytes)} are allowed`;
  }
  return `uncaught ${error instanceof Error ? `${error.name}: ` : ''}${messageOf(error)}`;
}
