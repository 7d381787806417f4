import { join } from 'node:path';
import { startRole, type Process } from '../process.ts';
import { percentileOf } from '../statistics.ts';
import { nowMs, wait } from '../time.ts';
import type { WorkContext } from '../work.ts';
import type { Call } from './callers.ts';
import { startDiscoveringGateway, type DiscoveringGateway } from './gateway.ts';
import type { RunningSystem, System } from './systems.ts';

const REGISTER_ROUNDS = 20;
const KILL_ROUNDS = 10;
const CALLERS = 8;
const PAUSE_MS = 8;

/** From registering to the first call that is routed, and from kill -9 to the last pick, over one system. */
export async function measureRouting(context: WorkContext, system: System): Promise<string[]> {
  const { flags, folder, report, print } = context;
  const running = await system.start(folder);
  const gateway = await startDiscoveringGateway(folder, running);
  const wrong: string[] = [];
  try {
    const rounds = flags.rounds ?? (flags.quick ? 3 : undefined);
    const registered: number[] = [];
    for (let i = 0; i < (rounds ?? REGISTER_ROUNDS); i++)
      registered.push(await registerOnce(context, running, gateway, system));
    const kills: Kill[] = [];
    const standing = startBackends(context, running, system);
    await standing.ready;
    await standing.ask('start 2 1');
    for (let i = 0; i < (rounds ?? KILL_ROUNDS); i++) kills.push(await killOnce(context, running, gateway, system));
    await standing.ask('end');
    await standing.stop();
    const add = (metric: string, unit: string, values: readonly number[]): void => {
      const sorted = values.toSorted((a, b) => a - b);
      report.add({ work: 'registering and dying', subject: system.name, metric: `${metric}, p50`, unit }, [
        percentileOf(sorted, 0.5),
      ]);
      report.add({ work: 'registering and dying', subject: system.name, metric: `${metric}, p99`, unit }, [
        percentileOf(sorted, 0.99),
      ]);
    };
    add('registering to first call routed', 'ms', registered);
    add(
      'kill -9 to last pick',
      'ms',
      kills.map(({ lastPickMs }) => lastPickMs),
    );
    add(
      'kill -9 to known as dead',
      's',
      kills.map(({ removedMs }) => removedMs / 1000),
    );
    const faults = kills.flatMap((kill) => kill.faults);
    report.add({ work: 'registering and dying', subject: system.name, metric: 'failed calls of all kills', unit: '' }, [
      faults.length,
    ]);
    // What was in flight on the killed one may fail, unless the system carries descriptors that say it may be repeated.
    const bound = kills.length * CALLERS;
    if (faults.length > bound)
      wrong.push(`${system.name}: ${faults.length} failed calls: ${[...new Set(faults)].join('; ')}`);
    print(`${system.name}: done (${system.about})`);
  } finally {
    await gateway.stop();
    await running.stop();
  }
  return wrong;
}

function startBackends({ folder }: WorkContext, { url, credentials }: RunningSystem, { ttlMs }: System): Process {
  const options = { url, credentials, ttlMs, propagationMs: 100 };
  return startRole('discovery-backends', options, { logFile: join(folder, 'backends.log') });
}

/** Milliseconds from `serve()` to the first call that is answered. */
async function registerOnce(
  context: WorkContext,
  running: RunningSystem,
  gateway: DiscoveringGateway,
  system: System,
): Promise<number> {
  await gateway.until((endpoints) => endpoints.length === 0);
  const backend = startBackends(context, running, system);
  await backend.ready;
  const answer = backend.ask<{ startedMs: number }>('start 1 1');
  let call: Call;
  do {
    call = await gateway.callers.callOnce();
    if (call.fault !== undefined) await wait(1);
  } while (call.fault !== undefined);
  const { startedMs } = await answer;
  await backend.ask('end');
  await backend.stop();
  return call.endedMs - startedMs;
}

interface Kill {
  /** From the kill to the start of the last call that was tried on the killed one in vain. */
  readonly lastPickMs: number;
  /** From the kill until it is out of the set, or in it as failing. */
  readonly removedMs: number;
  readonly faults: readonly string[];
}

/** Whether its system still says that an endpoint is well; a link that is down is the gateway's own finding. */
function isBelieved({ state }: { state: string }): boolean {
  return state === 'ready' || state === 'connecting';
}

async function killOnce(
  context: WorkContext,
  running: RunningSystem,
  gateway: DiscoveringGateway,
  system: System,
): Promise<Kill> {
  const victim = startBackends(context, running, system);
  await victim.ready;
  await victim.ask('start 1 1');
  await gateway.until((endpoints) => endpoints.filter(({ state }) => state === 'ready').length === 3);
  gateway.callers.start(CALLERS, PAUSE_MS);
  await wait(500);
  const killedMs = nowMs();
  await victim.kill();
  const removedMs = (await gateway.until((endpoints) => endpoints.filter(isBelieved).length === 2)) - killedMs;
  const calls = await gateway.callers.stop();
  const after = calls.filter(
    ({ endedMs, fault, attempts }) => endedMs > killedMs && (fault !== undefined || attempts > 1),
  );
  return {
    lastPickMs: Math.max(0, ...after.map(({ startedMs }) => startedMs - killedMs)),
    removedMs,
    faults: calls.flatMap(({ fault }) => (fault === undefined ? [] : [fault])),
  };
}
