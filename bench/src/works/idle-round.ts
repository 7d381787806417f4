import { countAll, STREAM_METHOD } from '../backends/echo-backends.ts';
import type { GoBackend } from '../backends/go-backend.ts';
import { buildGoProgram } from '../backends/go-program.ts';
import { inFolder, startGateways, stopContestants, type Contestant, type GatewayName } from '../contest/contestant.ts';
import { residentMib } from '../cpu.ts';
import { ECHO_METHOD } from '../drivers/echo-probe.ts';
import { startWireDriver, type WireCall, type WireDriver } from '../drivers/wire-driver.ts';
import { wait } from '../time.ts';
import type { WorkContext } from '../work.ts';

/** A way to keep streams open. */
export interface Shape {
  readonly over: string;
  readonly http: '1.1' | '2';
  readonly streamsPerConnection: number;
  /** What Bascule may take of what Envoy takes. */
  readonly max: number;
}

const STREAM: WireCall = { protocol: 'grpc-web', path: `/${STREAM_METHOD}`, messages: 1, textBytes: 62 };
const UNARY: WireCall = { protocol: 'grpc-web', path: `/${ECHO_METHOD}` };

interface Idle {
  readonly contestant: Contestant;
  /** Opens the second half of the streams. */
  readonly second: WireDriver;
  readonly shape: Shape;
}

export interface Measured extends Idle {
  readonly work: string;
  readonly beforeMib: number;
  readonly afterMib: number;
  readonly perStreamKib: number;
  /** What the second half took: by then a heap has no room left from its start, which the first ones fill unseen. */
  readonly secondHalfKib: number;
}

export interface Round {
  readonly shapes: readonly Shape[];
  readonly backends: readonly GoBackend[];
  readonly streams: number;
  readonly settleMs: number;
  readonly wrong: string[];
}

/** All shapes of all subjects at once: idle, they do not disturb each other. */
export async function measureRound(
  context: WorkContext,
  { shapes, backends, streams, settleMs, wrong }: Round,
): Promise<Measured[]> {
  const names: readonly GatewayName[] = ['bascule', 'envoy'];
  const program = await buildGoProgram('driver-go');
  const idles: Idle[] = [];
  for (const [number, shape] of shapes.entries()) {
    // Each has the same settings: the first ones are enough to read.
    const told = number === 0 ? context : { ...context, print: () => undefined };
    const own = await inFolder(told, `shape-${number}`);
    const contestants = await startGateways(own, names, backends, { http: shape.http, manyStreams: true });
    for (const contestant of contestants) {
      idles.push({ contestant, shape, second: await startWireDriver(program, own.folder) });
    }
  }
  for (const idle of idles) await warmUp(idle);
  await wait(settleMs / 2);
  const before = idles.map(({ contestant }) => residentMib(contestant.pid));
  let held = (await countAll(backends)).held;
  if (held > 0) wrong.push(`void, the backends hold ${held} streams before there are any`);
  const halves: number[][] = [];
  for (const half of [1, 2] as const) {
    for (const idle of idles) await openHalf(idle, half, { shapes, backends, streams, settleMs, wrong });
    await wait(settleMs);
    held = (await countAll(backends)).held;
    if (held !== (streams / 2) * half * idles.length) wrong.push(`void, the backends hold ${held} streams`);
    halves.push(idles.map(({ contestant }) => residentMib(contestant.pid)));
  }
  const measured: Measured[] = [];
  for (const [i, idle] of idles.entries()) {
    const { contestant, second, shape } = idle;
    const work = toWork(shape, streams);
    const holdings = [await contestant.driver.held(), await second.held()];
    const open = holdings.reduce((sum, each) => sum + each.open, 0);
    if (open !== streams || holdings.some(({ failed }) => failed > 0)) {
      const faults = holdings.flatMap((each) => each.faults).join('; ');
      wrong.push(`${contestant.name}, ${work}: ${open} streams are left open: ${faults}`);
    }
    const [beforeMib = NaN, halfMib = NaN, afterMib = NaN] = [before[i], halves[0]?.[i], halves[1]?.[i]];
    const perStreamKib = ((afterMib - beforeMib) * 1024) / streams;
    const secondHalfKib = ((afterMib - halfMib) * 1024) / (streams / 2);
    measured.push({ ...idle, work, beforeMib, afterMib, perStreamKib, secondHalfKib });
    await second.end();
  }
  await stopContestants(
    { ...context, flags: { ...context.flags, profile: undefined } },
    idles.map(({ contestant }) => contestant),
  );
  return measured;
}

async function openHalf(idle: Idle, half: 1 | 2, { streams, wrong }: Round): Promise<void> {
  const { contestant, second, shape } = idle;
  const driver = half === 1 ? contestant.driver : second;
  const asked = streams / 2;
  const connections = Math.ceil(asked / shape.streamsPerConnection);
  await driver.connect({ port: contestant.port, http: shape.http, tls: false, connections });
  const { open, messages, failed, faults } = await driver.hold(STREAM, asked);
  if (open === asked && messages === asked && failed === 0) return;
  const work = toWork(shape, streams);
  wrong.push(`${contestant.name}, ${work}: void, ${open} streams are open, ${failed} failed: ${faults.join('; ')}`);
}

/** So that what is measured is streams, not code that runs for the first time. */
async function warmUp({ contestant: { driver, port }, shape: { http } }: Idle): Promise<void> {
  await driver.connect({ port, http, tls: false, connections: 50 });
  await driver.hold(STREAM, 50);
  await driver.connect({ port, http, tls: false, connections: 50 });
  await driver.start({ call: UNARY, inFlight: 1, perSecond: 200 });
  await wait(500);
  await driver.stop();
  await driver.disconnect();
}

/** Heads the table of a shape. */
export function toWork({ over, streamsPerConnection }: Shape, streams: number): string {
  const connections = Math.ceil(streams / streamsPerConnection);
  return `${streams} idle streams on ${connections} connections, ${over}`;
}
