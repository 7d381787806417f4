import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { countLogged } from '../access-log.ts';
import { residentMib } from '../cpu.ts';
import { startStreamDriver } from '../drivers/start-streams.ts';
import { startUnaryDriver } from '../drivers/start-unary.ts';
import type { StreamReport } from '../drivers/stream-driver.ts';
import type { UnaryReport } from '../drivers/unary-report.ts';
import { deploy, packModule, type DeployTimes, type ModulePackage } from '../module-package.ts';
import { createOperator } from '../operator.ts';
import { startBasculeGateway } from '../subjects/bascule-gateway.ts';
import { medianOf } from '../statistics.ts';
import { wait } from '../time.ts';
import type { Work, WorkContext } from '../work.ts';

const MODULES = join(import.meta.dirname, '..', '..', '..', 'apps', 'backend', 'modules');
const WORK = 'ranking swapped under load';

/** What is asked for, and a little more, since the pace is not kept to the call. */
const CALLS_PER_SECOND = 520;
const NEEDED_CALLS_PER_SECOND = 500;
const UNARY_CONNECTIONS = 16;
const STANDING_STREAMS = 50;
/** Opened after each swap, of those that end by themselves. */
const PASSING_STREAMS = 2;
const STREAM_INTERVAL_MS = 200;
const MAX_GROWTH = 1.2;
const MAX_MEDIAN_LATENCY_MS = 400;

interface Swap extends DeployTimes {
  readonly version: string;
  readonly residentMib: number;
}

/** Versions of a module swapped while unary calls and streams of it run: nobody may notice. */
export const runSwap: Work = async (context) => {
  const { flags, folder, print } = context;
  const swaps = flags.rounds ?? (flags.quick ? 10 : 100);
  const pauseMs = (flags.seconds ?? 0.7) * 1000;
  const home = join(folder, 'bascule');
  await mkdir(home);
  const accessLog = join(home, 'access.log');
  const gateway = await startBasculeGateway({ home, config: { observe: { accessLog } }, core: undefined });
  const operator = createOperator(gateway);
  const versions = [
    await packModule(join(MODULES, 'ranking'), folder),
    await packModule(join(MODULES, 'ranking-v2'), folder),
  ];
  await deploy(operator, versions[0] as ModulePackage);
  const unary = await startUnaryDriver(folder, { port: gateway.port, probe: 'rank', keepCalls: false });
  const streams = await startStreamDriver(folder, { port: gateway.port, intervalMs: STREAM_INTERVAL_MS });
  print(`bascule gateway with its defaults, one thread, not pinned; module ranking, versions 1.0.0 and 2.0.0 in turn`);
  print(`${CALLS_PER_SECOND} calls/s of Rank over ${UNARY_CONNECTIONS} connections of gRPC-Web over HTTP/1.1;`);
  print(
    `${STANDING_STREAMS} streams (Watch and Tally) open across all of it, a message each ${STREAM_INTERVAL_MS} ms;`,
  );
  print(`after each swap ${PASSING_STREAMS} more that live for 1 to 3 swaps; ${swaps} swaps, ${pauseMs} ms apart\n`);

  await unary.connect(UNARY_CONNECTIONS);
  await streams.open(STANDING_STREAMS);
  await unary.start(CALLS_PER_SECOND);
  await wait(2_000);
  const standing = await streams.report();
  const done: Swap[] = [];
  for (let i = 1; i <= swaps; i++) {
    const next = versions[i % 2] as ModulePackage;
    const times = await deploy(operator, next);
    const lifetimeMs = (1 + (i % 3)) * (pauseMs + times.answeredMs - times.requestedMs);
    await streams.open(PASSING_STREAMS, lifetimeMs);
    await wait(pauseMs);
    done.push({ ...times, version: next.version, residentMib: residentMib(gateway.pid) });
    if (i % 10 === 0) print(`${i} swaps: ${Math.round(residentMib(gateway.pid))} MiB`);
  }
  const stood = await streams.report();
  const calls = await unary.stop();
  const ended = await streams.endStreams();
  const retriesByMetrics = await operator.readMetric('bascule_retries_total');
  await gateway.stop();
  print('');
  const logged = await countLogged(accessLog, 'Rank');
  const retries = Math.max(retriesByMetrics, logged.retries);
  return judge(context, { calls, ended, done, standing, stood, retries, logged: logged.ok + logged.others });
};

interface Outcome {
  readonly calls: UnaryReport;
  readonly done: readonly Swap[];
  /** Before the first swap, after the last one, and when all had ended. */
  readonly standing: StreamReport;
  readonly stood: StreamReport;
  readonly ended: StreamReport;
  readonly retries: number;
  /** Rank calls in the access log. */
  readonly logged: number;
}

function judge({ report }: WorkContext, outcome: Outcome): string[] {
  const { calls, done, ended, standing, stood, retries, logged } = outcome;
  const { faults } = ended;
  const latencies = done.map((swap) => firstAnswerMs(swap, calls) - swap.requestedMs);
  const tenth = done[9]?.residentMib ?? NaN;
  const last = done.at(-1)?.residentMib ?? NaN;
  const perSecond = calls.started / calls.seconds;
  const add = (metric: string, unit: string, ...values: number[]): void =>
    report.add({ work: WORK, subject: 'Bascule', metric, unit }, values);

  add('swaps', '', done.length);
  add('unary calls', '', calls.started);
  add('rate', '1/s', perSecond);
  add('streams opened', '', ended.opened);
  add('messages of streams', '', ended.messages);
  add('failed', '', calls.failed + faults.failed);
  add('cut', '', faults.cut + faults.stalled);
  add('gapped', '', faults.gapped);
  add('wrong call id', '', faults['wrong call id']);
  add('moved to another version', '', faults.moved);
  add('retries by the gateway', '', retries);
  add('latency of calls, p50', 'ms', calls.p50Ms);
  add('latency of calls, p99', 'ms', calls.p99Ms);
  add('latency of calls, longest', 'ms', calls.maxMs);
  add('memory after the tenth swap', 'MiB', tenth);
  add('memory after the last swap', 'MiB', last);
  add('growth', 'x', last / tenth);
  add('request to first answer', 'ms', ...latencies);
  const rest = (swap: Swap, i: number): number =>
    (latencies[i] as number) - Object.values(swap.parts).reduce((sum, ms) => sum + ms, 0);
  for (const part of ['unpack', 'bundle', 'worker start', 'check', 'switch'] as const) {
    add(`  of it ${part}`, 'ms', ...done.map((swap) => swap.parts[part]));
  }
  add('  of it the rest', 'ms', ...done.map(rest));
  add('request to answer of the operator', 'ms', ...done.map((swap) => swap.answeredMs - swap.requestedMs));

  const wrong: string[] = [];
  const must = (holds: boolean, what: string): void => void (holds || wrong.push(what));
  must(calls.failed === 0, `${calls.failed} unary calls failed: ${calls.faults.join('; ')}`);
  must(ended.reasons.length === 0, `streams: ${ended.reasons.join('; ')}`);
  must(standing.open === STANDING_STREAMS, `void: ${standing.open} streams stood before the first swap`);
  must(
    (stood.versions['1.0.0'] ?? 0) >= STANDING_STREAMS,
    `of the standing streams ${stood.versions['1.0.0']} are left`,
  );
  must(retries === 0, `the gateway repeated ${retries} calls`);
  must(
    perSecond >= NEEDED_CALLS_PER_SECOND,
    `void: ${perSecond.toFixed(0)} calls/s, ${NEEDED_CALLS_PER_SECOND} are asked`,
  );
  must(logged === calls.ok + calls.failed, `void: ${logged} calls in the access log, ${calls.ok} good answers`);
  must(latencies.every(Number.isFinite), 'void: a version never answered');
  must(medianOf(latencies) < MAX_MEDIAN_LATENCY_MS, `a swap takes ${medianOf(latencies).toFixed(0)} ms`);
  if (done.length > 10)
    must(last / tenth <= MAX_GROWTH, `memory grew from ${tenth.toFixed(0)} to ${last.toFixed(0)} MiB`);
  return wrong;
}

/** When the new version was first heard of; NaN if never. */
function firstAnswerMs(swap: Swap, { versionChanges }: UnaryReport): number {
  return (
    versionChanges.find((change) => change.version === swap.version && change.atMs > swap.requestedMs)?.atMs ?? NaN
  );
}
