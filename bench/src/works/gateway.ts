import { join } from 'node:path';
import { buildGoBackend, startGoBackend, type GoBackend } from '../backends/go-backend.ts';
import { cpuMicroseconds, residentMib } from '../cpu.ts';
import { ECHO_METHOD } from '../drivers/echo-probe.ts';
import { startUnaryDriver, type RemoteUnaryDriver } from '../drivers/start-unary.ts';
import { LOAD_CORE, SUBJECT_CORE, canPin } from '../process.ts';
import { summariseProfile } from '../profile.ts';
import { startBascule } from '../subjects/bascule.ts';
import { startEnvoy } from '../subjects/envoy.ts';
import { startGrpcWebProxy } from '../subjects/grpcwebproxy.ts';
import type { StartSubject, Subject } from '../subjects/subject.ts';
import { wait } from '../time.ts';
import type { Work, WorkContext } from '../work.ts';

const SUBJECTS: Readonly<Record<string, StartSubject>> = {
  bascule: startBascule,
  envoy: startEnvoy,
  grpcwebproxy: startGrpcWebProxy,
};

/** A load: calls without pause on each connection, or a number of them per second over all. */
interface Load {
  readonly name: string;
  readonly connections: number;
  readonly perSecond?: number;
}

const LOADS: readonly Load[] = [
  { name: 'HTTP/1.1, 32 connections', connections: 32 },
  { name: 'HTTP/1.1, 256 connections', connections: 256 },
  // What the slowest subject can carry as well: here latencies are latencies.
  { name: 'HTTP/1.1, 32 connections, 5,000 calls/s', connections: 32, perSecond: 5_000 },
];

/** A round with fewer of its planned calls than this is void. */
const PLANNED_SHARE = 0.95;
const BACKENDS = 3;

/** One subject with a driver of its own. */
interface Contestant extends Subject {
  readonly driver: RemoteUnaryDriver;
}

interface Sample {
  readonly contestant: string;
  readonly work: string;
  readonly cpuPerCall: number;
  readonly residentMib: number;
  readonly callsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

/** CPU time per call of each subject, same backends, same load, in turns. */
export const runGateway: Work = async (context) => {
  const { flags, folder, print } = context;
  const rounds = flags.rounds ?? (flags.quick ? 2 : 7);
  const seconds = flags.seconds ?? (flags.quick ? 2 : 8);
  const program = await buildGoBackend();
  const backends = await Promise.all(
    Array.from({ length: BACKENDS }, (_, i) => startGoBackend(program, ECHO_METHOD, join(folder, `echo-${i}.log`))),
  );
  const contestants = await startContestants(context, backends);
  print(`${BACKENDS} backends in Go with a raw codec, echoing messages of 70 bytes; gRPC-Web over HTTP/1.1 with about`);
  print(
    `600 bytes of a browser's fields; closed loop but where a rate is named; ${rounds} rounds of ${seconds} s in turns,`,
  );
  print('each after 1 s to warm up');
  print(
    canPin
      ? `subjects on core ${SUBJECT_CORE}, driver and backends on core ${LOAD_CORE}\n`
      : 'taskset is missing: nothing is pinned, so numbers are unsteady\n',
  );
  const samples: Sample[] = [];
  const wrong: string[] = [];
  for (const load of LOADS) {
    for (const contestant of contestants) await warmUp(contestant, load, flags.quick ? 1 : 4);
    for (let round = 1; round <= rounds; round++) {
      for (const contestant of contestants) {
        const sample = await measure({ contestant, load, seconds, backends, wrong });
        samples.push(sample);
        print(`round ${round}, ${load.name}, ${contestant.name}: ${toWords(sample)}`);
      }
    }
  }
  print('');
  for (const contestant of contestants) await contestant.stop();
  addRows(context, samples);
  if (flags.profile !== undefined) print(await summariseProfile(flags.profile));
  return wrong;
};

async function startContestants(
  { flags, folder, print }: WorkContext,
  backends: readonly GoBackend[],
): Promise<Contestant[]> {
  const contestants: Contestant[] = [];
  for (const [name, start] of Object.entries(SUBJECTS)) {
    if (flags.subjects?.includes(name) === false) continue;
    const backendPorts = backends.map((backend) => backend.port);
    const subject = await start({ folder, backendPorts, profile: flags.profile });
    if (typeof subject === 'string') {
      print(`${name} is left out: ${subject}\n`);
      continue;
    }
    print(`${subject.name}:\n  ${subject.settings.join('\n  ')}\n`);
    const driver = await startUnaryDriver(folder, {
      port: subject.port,
      probe: 'echo',
      keepCalls: false,
      core: LOAD_CORE,
    });
    contestants.push({ ...subject, driver });
  }
  return contestants;
}

async function warmUp({ driver }: Contestant, load: Load, seconds: number): Promise<void> {
  await driver.connect(load.connections);
  await driver.start(load.perSecond);
  await wait(seconds * 1000);
  await driver.stop();
}

interface Measure {
  readonly contestant: Contestant;
  readonly load: Load;
  readonly seconds: number;
  readonly backends: readonly GoBackend[];
  readonly wrong: string[];
}

async function measure({ contestant, load, seconds, backends, wrong }: Measure): Promise<Sample> {
  const { name, driver, pid } = contestant;
  await warmUp(contestant, load, 1);
  const countedBefore = await countAll(backends);
  const cpuBefore = cpuMicroseconds(pid);
  await driver.start(load.perSecond);
  await wait(seconds * 1000);
  const report = await driver.stop();
  const cpu = cpuMicroseconds(pid) - cpuBefore;
  const counted = (await countAll(backends)) - countedBefore;
  const work = load.name;
  if (report.failed > 0) wrong.push(`${name}, ${work}: ${report.failed} calls failed: ${report.faults.join('; ')}`);
  if (counted !== report.ok) {
    wrong.push(`${name}, ${work}: void, the driver has ${report.ok} good answers and the backends made ${counted}`);
  }
  if (report.started < report.planned * PLANNED_SHARE) {
    wrong.push(`${name}, ${work}: void, ${report.started} of ${report.planned} planned calls were made`);
  }
  return {
    contestant: name,
    work,
    cpuPerCall: cpu / report.ok,
    residentMib: residentMib(pid),
    callsPerSecond: report.ok / report.seconds,
    p50Ms: report.p50Ms,
    p99Ms: report.p99Ms,
    failed: report.failed,
  };
}

async function countAll(backends: readonly GoBackend[]): Promise<number> {
  const counts = await Promise.all(backends.map((backend) => backend.count()));
  return counts.reduce((sum, count) => sum + count, 0);
}

function toWords({ cpuPerCall, callsPerSecond, failed }: Sample): string {
  return `${cpuPerCall.toFixed(1)} us of CPU per call, ${Math.round(callsPerSecond)} calls/s, ${failed} failed`;
}

function addRows({ report }: WorkContext, samples: readonly Sample[]): void {
  for (const work of new Set(samples.map((sample) => sample.work))) {
    const envoy = samples.filter((sample) => sample.work === work && sample.contestant === 'Envoy');
    for (const subject of new Set(samples.map((sample) => sample.contestant))) {
      const own = samples.filter((sample) => sample.work === work && sample.contestant === subject);
      const add = (metric: string, unit: string, read: (sample: Sample, round: number) => number): void =>
        report.add({ work, subject, metric, unit }, own.map(read));
      add('CPU per call', 'us', (sample) => sample.cpuPerCall);
      // Of the same round, so that what slows the machine down for a while slows both.
      if (envoy.length > 0) {
        add("of Envoy's", 'x', (sample, round) => sample.cpuPerCall / (envoy[round] as Sample).cpuPerCall);
      }
      add('memory', 'MiB', (sample) => sample.residentMib);
      add('calls', '1/s', (sample) => sample.callsPerSecond);
      add('p50', 'ms', (sample) => sample.p50Ms);
      add('p99', 'ms', (sample) => sample.p99Ms);
      add('failed', '', (sample) => sample.failed);
    }
  }
}
