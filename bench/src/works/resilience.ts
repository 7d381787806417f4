import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startResilientEnvoy } from '../resilience/envoy-subject.ts';
import { startFaultBackend } from '../resilience/fault-backend.ts';
import { FAULTS, type Fault } from '../resilience/faults.ts';
import { playRound, type Round } from '../resilience/round.ts';
import { startBascule } from '../subjects/bascule.ts';
import type { StartSubject } from '../subjects/subject.ts';
import type { Work, WorkContext } from '../work.ts';

const BACKENDS = 4;
const PER_SECOND = 200;
const TIMEOUT_MS = 5_000;
const DELAY_MS = { min: 3, max: 9 };
const SEED = 20_261_121;
/** Of upstream calls per call while all backends fail. */
const MAX_STORM = 1.2;

const SUBJECTS: readonly StartSubject[] = [startBascule, startResilientEnvoy];
const NAMES = ['bascule', 'envoy'];

/** Backends that fail in six ways under the same load: what callers see of it behind Bascule, and behind Envoy. */
export const runResilience: Work = async (context) => {
  const { flags, print } = context;
  const rounds = flags.rounds ?? (flags.quick || flags.smoke ? 1 : 3);
  const faultMs = (flags.seconds ?? (flags.smoke ? 1 : 8)) * 1000;
  print(
    `${BACKENDS} backends in processes of their own, each call takes ${DELAY_MS.min} to ${DELAY_MS.max} ms; ${PER_SECOND} calls a second in an open loop,`,
  );
  print(
    `each with a deadline of ${TIMEOUT_MS} ms, without side effects; ${faultMs / 1000} s of each fault; seed ${SEED}`,
  );
  const wrong: string[] = [];
  const found = new Map<string, Round[]>();
  for (let round = 0; round < rounds; round++) {
    for (const [i, start] of SUBJECTS.entries()) {
      if (flags.subjects !== undefined && !flags.subjects.includes(NAMES[i] as string)) continue;
      wrong.push(...(await playAll(context, start, faultMs, round, found)));
    }
  }
  addRows(context, found);
  print('');
  return wrong;
};

let drivers = 0;

async function playAll(
  { folder, print, flags }: WorkContext,
  start: StartSubject,
  faultMs: number,
  round: number,
  found: Map<string, Round[]>,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const fault of FAULTS) {
    const home = join(folder, `resilience-${++drivers}`);
    await mkdir(home);
    const backends = await Promise.all(
      Array.from({ length: BACKENDS }, (_, i) => startFaultBackend(home, { seed: SEED + i, delayMs: DELAY_MS })),
    );
    const backendPorts = backends.map(({ port }) => port);
    const subject = await start({ folder: home, backendPorts, profile: undefined });
    if (typeof subject === 'string') {
      print(subject);
      await Promise.all(backends.map((backend) => backend.stop()));
      return [];
    }
    if (round === 0 && fault === FAULTS[0]) for (const line of subject.settings) print(`${subject.name}: ${line}`);
    const result = await playRound({
      folder: home,
      port: subject.port,
      backends,
      fault,
      driver: drivers,
      perSecond: PER_SECOND,
      timeoutMs: TIMEOUT_MS,
      beforeMs: flags.smoke ? 500 : 2_000,
      faultMs,
      afterMs: flags.smoke ? 200 : 1_000,
    });
    await subject.stop();
    await Promise.all(backends.map((backend) => backend.stop()));
    print(`${subject.name}, ${fault.name}: ${describe(result)}`);
    const key = `${fault.about}\n${subject.name}`;
    found.set(key, [...(found.get(key) ?? []), result]);
    if (subject.name === 'Bascule') wrong.push(...judge(fault, result));
  }
  return wrong;
}

function describe({ calls, failed, failedAfter, p99Ms, upstreamPerCall, faults }: Round): string {
  const figures = `p99 ${p99Ms.toFixed(0)} ms, ${upstreamPerCall.toFixed(3)} upstream calls per call`;
  return `${failed + failedAfter} of ${calls} failed, ${figures}; ${faults.slice(0, 3).join('; ')}`;
}

function judge(fault: Fault, { failed, failedAfter, failedBefore, upstreamPerCall, faults }: Round): string[] {
  const wrong: string[] = [];
  if (failedBefore > 0) wrong.push(`${fault.name}: void: ${failedBefore} calls failed before the fault`);
  const lost = failed + failedAfter;
  if (fault.isPartial && lost > 0) wrong.push(`${fault.name}: ${lost} calls failed: ${faults.slice(0, 3).join('; ')}`);
  if (upstreamPerCall > MAX_STORM) wrong.push(`${fault.name}: ${upstreamPerCall.toFixed(3)} upstream calls per call`);
  return wrong;
}

function addRows({ report }: WorkContext, found: ReadonlyMap<string, readonly Round[]>): void {
  for (const [key, rounds] of found) {
    const [work = '', subject = ''] = key.split('\n');
    const add = (metric: string, unit: string, read: (round: Round) => number): void =>
      report.add({ work, subject, metric, unit }, rounds.map(read));
    add('calls', '', ({ calls }) => calls);
    add('failed', '', ({ failed, failedAfter }) => failed + failedAfter);
    add('p50', 'ms', ({ p50Ms }) => p50Ms);
    add('p99', 'ms', ({ p99Ms }) => p99Ms);
    add('longest', 'ms', ({ maxMs }) => maxMs);
    add('upstream calls per call', '', ({ upstreamPerCall }) => upstreamPerCall);
    add('in the worst second', '', ({ worstUpstreamPerCall }) => worstUpstreamPerCall);
  }
}
