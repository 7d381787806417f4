import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { pause } from '../chance.ts';
import { shortOf } from './observer.ts';
import { endpointsCommand } from './programs.ts';
import type { Scene } from './scene.ts';
import type { Call } from './traffic.ts';
import { listLiving, untilTold, untilTrue } from './truth.ts';
import type { World } from './world.ts';

export interface Expected {
  /** How many may have left, by cause; a pair is a range. What is not named may not have happened. */
  readonly removals: Readonly<Record<string, number | readonly [number, number]>>;
  /** Calls that may fail, since who had them died. Default none. */
  readonly mayFail?: (call: Call) => boolean;
}

/** What a run measured. */
export interface Measured {
  readonly calls: number;
  readonly lost: number;
  /** Lost with the backend that had them, as told before. */
  readonly lostWithTheDead: number;
  /** Tried at more than one endpoint. */
  readonly retried: number;
  readonly slowestMs: number;
  /** From the end of the last fault until the set was what is there. */
  readonly healedMs: number;
  readonly removals: Readonly<Record<string, number>>;
}

const PATIENCE_MS = 10_000;
/** Longer than the gateway takes to show what it has heard. */
const STEADY_MS = 1_300;

/** Ends a run: nothing is broken any more from now on, and all that was promised must hold. */
export async function conclude(scene: Scene, world: World, expected: Expected): Promise<Measured> {
  const { traffic } = world;
  const healedMs = await untilHealed(world);
  scene.note(`healed after ${Math.round(healedMs)} ms`);
  await traffic.more(20);
  await traffic.stop();
  const { lost, forgiven } = judgeCalls(scene, traffic.calls, expected);
  for (const what of world.executions.repeated()) scene.wrong(what);
  await judgeRest(scene, world);
  const removals = await judgeRemovals(scene, world, expected);
  // Counts of endpoints leave with them.
  if (Object.keys(removals).length === 0) await judgeCounts(scene, world);
  // From here on everything is taken down, and views would show that.
  await world.lookAway();
  for (const [fault, { bit }] of scene.faults) if (bit === 0) scene.wrong(`void: nobody felt that ${fault}`);
  return {
    calls: traffic.calls.length,
    lost,
    lostWithTheDead: forgiven,
    retried: traffic.calls.filter(({ attempts }) => attempts > 1).length,
    slowestMs: Math.round(Math.max(...traffic.calls.map(({ startedMs, endedMs }) => endedMs - startedMs))),
    healedMs: Math.round(healedMs),
    removals,
  };
}

/** Every system tells who lives, and the gateway shows that and goes on to. What was under way may still come. */
async function untilHealed(world: World): Promise<number> {
  const startMs = performance.now();
  for (;;) {
    await Promise.all(world.systems.map((system) => untilTold(system, world)));
    await untilTrue(world);
    const trueMs = performance.now();
    await pause(STEADY_MS);
    if ((await untilTrue(world)) < 1) return trueMs - startMs;
  }
}

function judgeCalls(scene: Scene, calls: readonly Call[], { mayFail }: Expected) {
  const failed = calls.filter(({ fault }) => fault !== undefined);
  const lost = failed.filter((call) => mayFail?.(call) !== true);
  for (const { fault } of lost) scene.wrong(`lost: ${fault}`);
  return { lost: lost.length, forgiven: failed.length - lost.length };
}

/** As the command line prints an endpoint. */
interface Printed {
  readonly instanceId: string;
  readonly incarnation: string;
  readonly address: string;
  readonly state: string;
}

/** No call is under way, the command line says the truth, and nothing was reported as an error. */
async function judgeRest(scene: Scene, world: World): Promise<void> {
  const { gateway } = world;
  const observer = world.observer();
  const deadlineMs = performance.now() + PATIENCE_MS;
  let open = '';
  do {
    const { endpoints } = await observer.ask();
    const leased = endpoints.filter(({ openCalls }) => openCalls > 0).map(shortOf);
    const counted = (await observer.metric('bascule_open_calls'))[''] ?? 0;
    open =
      leased.length === 0 && counted === 0
        ? ''
        : `${leased.join()} and ${counted} calls are open after the last has ended`;
  } while (open !== '' && performance.now() < deadlineMs);
  if (open !== '') scene.wrong(open);

  const printed = await promisify(execFile)(process.execPath, endpointsCommand(gateway));
  const { endpoints } = JSON.parse(printed.stdout) as { endpoints: Printed[] };
  const shown = endpoints.map((endpoint) => `${endpoint.instanceId}#${endpoint.incarnation} at ${endpoint.address}`);
  const alive = listLiving(world.living).join(', ');
  if (shown.sort().join(', ') !== alive || endpoints.some(({ state }) => state !== 'ready')) {
    scene.wrong(`bascule endpoints shows ${printed.stdout}, and there are ${alive}`);
  }

  const errors = gateway
    .output()
    .split('\n')
    .filter((line) => line.includes('"level":"error"') || /^\s+at .*:\d+:\d+/.test(line));
  for (const line of errors) scene.wrong(`the gateway reported: ${line}`);
}

async function judgeCounts(scene: Scene, world: World): Promise<void> {
  const counted = (await world.observer().metric('bascule_calls_total'))[''];
  const made = world.traffic.calls.length - world.callsBefore();
  if (counted !== made) scene.wrong(`the gateway has counted ${counted} calls, and ${made} were made`);
}

async function judgeRemovals(scene: Scene, world: World, { removals }: Expected): Promise<Record<string, number>> {
  const counted = await world.observer().metric('bascule_discovery_removals_total', 'cause');
  for (const cause of new Set([...Object.keys(counted), ...Object.keys(removals)])) {
    const count = counted[cause] ?? 0;
    const allowed = removals[cause] ?? 0;
    const [least, most] = typeof allowed === 'number' ? [allowed, allowed] : allowed;
    if (count < least || count > most)
      scene.wrong(`${count} left with the cause ${cause}, and not ${least} to ${most}`);
  }
  return counted;
}
