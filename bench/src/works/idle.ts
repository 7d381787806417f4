import { countAll, startEchoBackends, STREAM_METHOD } from '../backends/echo-backends.ts';
import type { GoBackend } from '../backends/go-backend.ts';
import { inFolder, startGateways, stopContestants, type Contestant, type GatewayName } from '../contest/contestant.ts';
import { findMissed } from '../contest/goals.ts';
import { planOf } from '../contest/plan.ts';
import { residentMib } from '../cpu.ts';
import { ECHO_METHOD } from '../drivers/echo-probe.ts';
import type { WireCall } from '../drivers/wire-driver.ts';
import { wait } from '../time.ts';
import type { Work, WorkContext } from '../work.ts';

/** A way to keep streams open. */
interface Shape {
  readonly over: string;
  readonly http: '1.1' | '2';
  readonly streamsPerConnection: number;
  /** What Bascule may take of what Envoy takes. */
  readonly max: number;
}

const SHAPES: readonly Shape[] = [
  { over: 'h2c', http: '2', streamsPerConnection: 80, max: 0.5 },
  { over: 'h2c', http: '2', streamsPerConnection: 1, max: 1 },
  { over: 'HTTP/1.1', http: '1.1', streamsPerConnection: 1, max: 1 },
];

const STREAMS = 4_000;
const SMOKE_STREAMS = 80;
/** Long enough for the collector to have given back what opening took, and for buffers to have been freed. */
const SETTLE_MS = 10_000;
const SMOKE_SETTLE_MS = 200;
const STREAM: WireCall = { protocol: 'grpc-web', path: `/${STREAM_METHOD}`, messages: 1, textBytes: 62 };
const UNARY: WireCall = { protocol: 'grpc-web', path: `/${ECHO_METHOD}` };

interface Idle {
  readonly contestant: Contestant;
  readonly shape: Shape;
}

interface Measured extends Idle {
  readonly work: string;
  readonly beforeMib: number;
  readonly afterMib: number;
  readonly perStreamKib: number;
}

/** Memory of open streams that carry nothing: the process's resident memory with and without them. */
export const runIdle: Work = async (context) => {
  const { flags, folder, print } = context;
  const { rounds } = planOf(flags, { rounds: 5, seconds: 0 });
  const streams = flags.smoke ? SMOKE_STREAMS : STREAMS;
  const settleMs = flags.seconds === undefined ? (flags.smoke ? SMOKE_SETTLE_MS : SETTLE_MS) : flags.seconds * 1000;
  const backends = await startEchoBackends(folder);
  print(
    `${streams} server streams, gRPC-Web in and gRPC out, each open behind its first message; resident memory before and`,
  );
  print(
    `${settleMs / 1000} s after; each round starts every subject anew, one process per way of opening, and warms it up with`,
  );
  print('a second of unary calls and 50 streams that have ended\n');
  const wrong: string[] = [];
  const measured: Measured[] = [];
  for (let round = 1; round <= rounds; round++) {
    const own = await inFolder(round === 1 ? context : { ...context, print: () => undefined }, `round-${round}`);
    for (const each of await measureRound(own, { backends, streams, settleMs, wrong })) {
      measured.push(each);
      const { work, contestant, beforeMib, afterMib, perStreamKib } = each;
      const memory = `${perStreamKib.toFixed(1)} KiB per stream (${beforeMib.toFixed(0)} -> ${afterMib.toFixed(0)} MiB)`;
      print(`round ${round}, ${work}, ${contestant.name}: ${memory}`);
    }
  }
  print('');
  for (const backend of backends) await backend.end();
  addRows(context, measured);
  const goals = SHAPES.map((shape) => ({ work: toWork(shape, streams), metric: "of Envoy's", max: shape.max }));
  return [...wrong, ...findMissed(context, goals)];
};

interface Round {
  readonly backends: readonly GoBackend[];
  readonly streams: number;
  readonly settleMs: number;
  readonly wrong: string[];
}

/** All shapes of all subjects at once: idle, they do not disturb each other. */
async function measureRound(context: WorkContext, { backends, streams, settleMs, wrong }: Round): Promise<Measured[]> {
  const names: readonly GatewayName[] = ['bascule', 'envoy'];
  const idles: Idle[] = [];
  for (const [number, shape] of SHAPES.entries()) {
    // Each has the same settings: the first ones are enough to read.
    const told = number === 0 ? context : { ...context, print: () => undefined };
    const own = await inFolder(told, `shape-${number}`);
    const contestants = await startGateways(own, names, backends, { http: shape.http, manyStreams: true });
    idles.push(...contestants.map((contestant) => ({ contestant, shape })));
  }
  for (const idle of idles) await warmUp(idle);
  await wait(settleMs / 2);
  const before = idles.map(({ contestant }) => residentMib(contestant.pid));
  const heldBefore = (await countAll(backends)).held;
  for (const { contestant, shape } of idles) {
    const { driver, port, name } = contestant;
    const connections = Math.ceil(streams / shape.streamsPerConnection);
    await driver.connect({ port, http: shape.http, tls: false, connections });
    const { open, messages, failed, faults } = await driver.hold(STREAM, streams);
    if (open !== streams || messages !== streams || failed > 0) {
      wrong.push(
        `${name}, ${toWork(shape, streams)}: void, ${open} streams are open, ${failed} failed: ${faults.join('; ')}`,
      );
    }
  }
  await wait(settleMs);
  const held = (await countAll(backends)).held - heldBefore;
  if (held !== streams * idles.length) wrong.push(`void, the backends hold ${held} streams`);
  const measured: Measured[] = [];
  for (const [i, { contestant, shape }] of idles.entries()) {
    const [beforeMib, afterMib] = [before[i] ?? NaN, residentMib(contestant.pid)];
    const { open, failed, faults } = await contestant.driver.held();
    const work = toWork(shape, streams);
    if (open !== streams || failed > 0) {
      wrong.push(`${contestant.name}, ${work}: ${failed} streams ended while idle: ${faults.join('; ')}`);
    }
    measured.push({
      contestant,
      shape,
      work,
      beforeMib,
      afterMib,
      perStreamKib: ((afterMib - beforeMib) * 1024) / streams,
    });
  }
  await stopContestants(
    { ...context, flags: { ...context.flags, profile: undefined } },
    idles.map(({ contestant }) => contestant),
  );
  return measured;
}

/** So that what is measured is streams, not code that runs for the first time. */
async function warmUp({ contestant: { driver, port }, shape: { http } }: Idle): Promise<void> {
  await driver.connect({ port, http, tls: false, connections: 50 });
  await driver.hold(STREAM, 50);
  await driver.connect({ port, http, tls: false, connections: 50 });
  await driver.start({ call: UNARY, inFlight: 1, perSecond: 2_000 });
  await wait(1_000);
  await driver.stop();
  await driver.disconnect();
}

function toWork({ over, streamsPerConnection }: Shape, streams: number): string {
  const connections = Math.ceil(streams / streamsPerConnection);
  return `${streams} idle streams on ${connections} connections, ${over}`;
}

function addRows({ report }: WorkContext, measured: readonly Measured[]): void {
  for (const work of new Set(measured.map((each) => each.work))) {
    const ofWork = measured.filter((each) => each.work === work);
    const envoy = ofWork.filter(({ contestant }) => contestant.name === 'Envoy');
    for (const subject of new Set(ofWork.map(({ contestant }) => contestant.name))) {
      const own = ofWork.filter(({ contestant }) => contestant.name === subject);
      const add = (metric: string, unit: string, read: (each: Measured, round: number) => number): void =>
        report.add({ work, subject, metric, unit }, own.map(read));
      add('memory per stream', 'KiB', (each) => each.perStreamKib);
      if (envoy.length === own.length) {
        add("of Envoy's", 'x', (each, round) => each.perStreamKib / (envoy[round] as Measured).perStreamKib);
      }
      add('memory before', 'MiB', (each) => each.beforeMib);
      add('memory with them', 'MiB', (each) => each.afterMib);
    }
  }
}
