import { startEchoBackends } from '../backends/echo-backends.ts';
import { inFolder } from '../contest/contestant.ts';
import { findMissed } from '../contest/goals.ts';
import { planOf } from '../contest/plan.ts';
import type { Work, WorkContext } from '../work.ts';
import { measureRound, toWork, type Measured, type Shape } from './idle-round.ts';

const SHAPES: readonly Shape[] = [
  { over: 'h2c', http: '2', streamsPerConnection: 80, max: 0.5 },
  { over: 'h2c', http: '2', streamsPerConnection: 1, max: 1 },
  { over: 'HTTP/1.1', http: '1.1', streamsPerConnection: 1, max: 1 },
];

const STREAMS = 4_000;
const SMOKE_STREAMS = 80;
/** Long enough for the collector to have given back what opening took, and for buffers to have been freed. */
const SETTLE_MS = 6_000;
const SMOKE_SETTLE_MS = 200;
const MEMORY = [
  { metric: 'memory per stream', read: (each: Measured) => each.perStreamKib },
  { metric: 'of the second half', read: (each: Measured) => each.secondHalfKib },
] as const;

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
  print('100 calls and 50 streams: more would leave room in a heap, which streams could then fill unseen\n');
  const wrong: string[] = [];
  const measured: Measured[] = [];
  for (let round = 1; round <= rounds; round++) {
    const own = await inFolder(round === 1 ? context : { ...context, print: () => undefined }, `round-${round}`);
    for (const each of await measureRound(own, { shapes: SHAPES, backends, streams, settleMs, wrong })) {
      measured.push(each);
      const { work, contestant, beforeMib, afterMib, perStreamKib, secondHalfKib } = each;
      const memory = `${perStreamKib.toFixed(1)} KiB per stream, the second half ${secondHalfKib.toFixed(1)} (${beforeMib.toFixed(0)} -> ${afterMib.toFixed(0)} MiB)`;
      print(`round ${round}, ${work}, ${contestant.name}: ${memory}`);
    }
  }
  print('');
  for (const backend of backends) await backend.end();
  addRows(context, measured);
  const goals = SHAPES.flatMap((shape) =>
    MEMORY.map(({ metric }) => ({ work: toWork(shape, streams), metric: `${metric}, of Envoy's`, max: shape.max })),
  );
  return [...wrong, ...findMissed(context, goals)];
};

function addRows({ report }: WorkContext, measured: readonly Measured[]): void {
  for (const work of new Set(measured.map((each) => each.work))) {
    const ofWork = measured.filter((each) => each.work === work);
    const envoy = ofWork.filter(({ contestant }) => contestant.name === 'Envoy');
    for (const subject of new Set(ofWork.map(({ contestant }) => contestant.name))) {
      const own = ofWork.filter(({ contestant }) => contestant.name === subject);
      const add = (metric: string, unit: string, read: (each: Measured, round: number) => number): void =>
        report.add({ work, subject, metric, unit }, own.map(read));
      for (const { metric, read } of MEMORY) {
        add(metric, 'KiB', read);
        if (envoy.length !== own.length) continue;
        add(`${metric}, of Envoy's`, 'x', (each, round) => read(each) / read(envoy[round] as Measured));
      }
      add('memory before', 'MiB', (each) => each.beforeMib);
      add('memory with them', 'MiB', (each) => each.afterMib);
    }
  }
}
