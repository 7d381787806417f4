import { join } from 'node:path';
import { cpuMicroseconds, residentMib } from '../cpu.ts';
import { startRole, type Process } from '../process.ts';
import { wait } from '../time.ts';
import type { WorkContext } from '../work.ts';
import type { System } from './systems.ts';

const STEADY_SECONDS = 15;
const CONCURRENCY = 64;
/** So that no process holds all that all watchers know: its collector would be measured. */
const WATCHER_PROCESSES = 4;
/** A step that a system does not finish in this time is left, and said. */
const STEP_LIMIT_MS = 240_000;

export interface CrowdSize {
  readonly instances: number;
  readonly watchers: number;
  readonly restarted: number;
}

/** Many instances and many watchers: what it costs the system, and how long a rolling restart takes to be known. */
export async function measureCrowd(context: WorkContext, system: System, size: CrowdSize): Promise<string[]> {
  const { folder, report, print } = context;
  const running = await system.start(folder);
  const { url, credentials, pid } = running;
  const work = `${size.instances} instances, ${size.watchers} watchers`;
  const add = (metric: string, unit: string, value: number): void =>
    report.add({ work, subject: system.name, metric, unit }, [value]);
  // The lease that systems have as their default; a shorter one would measure renewals only.
  const crowd = startRole(
    'registry-crowd',
    { url, credentials, ttlMs: 15_000 },
    { logFile: join(folder, 'crowd.log') },
  );
  let watchers: readonly Process[] = [];
  try {
    await crowd.ready;
    const step = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
      const cpuBefore = cpuMicroseconds(pid);
      const startedMs = performance.now();
      const result = await within(name, run());
      add(`${name}, time`, 's', (performance.now() - startedMs) / 1000);
      add(`${name}, CPU of the system`, 's', (cpuMicroseconds(pid) - cpuBefore) / 1e6);
      print(`${system.name}: ${name} done`);
      return result;
    };
    const started = await step('registering', () =>
      crowd.ask<{ incarnation: number }>(`start ${size.instances} ${CONCURRENCY}`),
    );
    const options = { url, credentials, watchers: Math.ceil(size.watchers / WATCHER_PROCESSES) };
    watchers = Array.from({ length: WATCHER_PROCESSES }, (_, i) =>
      startRole('registry-watchers', options, { logFile: join(folder, `watchers-${i}.log`) }),
    );
    const allKnow = (what: string): Promise<unknown> => Promise.all(watchers.map((each) => each.ask(`until ${what}`)));
    await Promise.all(watchers.map(({ ready }) => ready));
    await step('first word to all watchers', () => allKnow(`${size.instances}`));
    const cpuBefore = cpuMicroseconds(pid);
    await wait(STEADY_SECONDS * 1000);
    add('at rest, share of a core', '%', (cpuMicroseconds(pid) - cpuBefore) / 1e4 / STEADY_SECONDS);
    add('memory', 'MiB', residentMib(pid));
    await step('rolling restart known to all', async () => {
      const restarting = crowd.ask(`restart ${size.restarted} 32`);
      await allKnow(`${size.instances} ${started.incarnation} ${size.restarted}`);
      await restarting;
    });
    add('memory at the end', 'MiB', residentMib(pid));
    return [];
  } catch (error) {
    print(`${system.name}: ${(error as Error).message}`);
    // The peers' limits are a finding; our own are a fault.
    return system.name === 'registry' ? [`registry: ${(error as Error).message}`] : [];
  } finally {
    await Promise.all(watchers.map((each) => each.kill()));
    await crowd.kill();
    await running.stop();
  }
}

function within<T>(name: string, promise: Promise<T>): Promise<T> {
  const limit = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => limit.reject(new Error(`${name} was not done within ${STEP_LIMIT_MS / 1000} s`)),
    STEP_LIMIT_MS,
  );
  return Promise.race([promise, limit.promise]).finally(() => clearTimeout(timer));
}
