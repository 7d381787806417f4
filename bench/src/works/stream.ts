import { startEchoBackends, STREAM_METHOD } from '../backends/echo-backends.ts';
import { describeCores, inFolder, startGateways, stopContestants } from '../contest/contestant.ts';
import { findMissed, type Goal } from '../contest/goals.ts';
import { planOf } from '../contest/plan.ts';
import { runRounds } from '../contest/rounds.ts';
import { addRows, type Column } from '../contest/rows.ts';
import type { Load, Sample } from '../contest/sample.ts';
import type { Work } from '../work.ts';

const MESSAGES = 1_000;
const SMOKE_MESSAGES = 50;

/** Sizes of a message on the wire, as protobuf, with the characters that make it so; streams at once, of 16 MiB a few. */
const SIZES = [
  { size: '64 B', bytes: 64, textBytes: 62, streams: 16 },
  { size: '16 KiB', bytes: 16_384, textBytes: 16_381, streams: 4 },
] as const;

const EDGES = [
  { over: 'HTTP/1.1', http: '1.1', perConnection: 1 },
  { over: 'h2c', http: '2', perConnection: 2 },
] as const;

const PER_MESSAGE: Column = {
  metric: 'CPU per message',
  unit: 'us',
  read: ({ cpuMicroseconds, report }) => cpuMicroseconds / report.messages,
};

const MESSAGE_RATE: Column = {
  metric: 'messages',
  unit: '1/s',
  read: ({ report }) => report.messages / report.seconds,
};

/** Server streams through a gateway, gRPC-Web in and gRPC out: CPU time per message and per MiB. */
export const runStream: Work = async (context) => {
  const { folder, print, report } = context;
  const messages = context.flags.smoke ? SMOKE_MESSAGES : MESSAGES;
  const plan = planOf(context.flags, { rounds: 5, seconds: 2 });
  const backends = await startEchoBackends(folder);
  print(
    `server streams of ${messages} messages, gRPC-Web in and gRPC out; 16 at a time of small ones, 4 of large; every message is`,
  );
  print(`compared with the one awaited; closed loop; ${plan.rounds} rounds of ${plan.seconds} s in turns`);
  print(describeCores());
  const wrong: string[] = [];
  const goals: Goal[] = [];
  const countersOf = (): typeof backends => backends;
  for (const { over, http, perConnection } of EDGES) {
    const own = await inFolder(context, over.replace('/', '-'));
    const contestants = await startGateways(own, ['bascule', 'envoy', 'node'], backends, { http, manyStreams: true });
    for (const { size, bytes, textBytes, streams } of SIZES) {
      const name = `stream over ${over}, messages of ${size}`;
      const call = { protocol: 'grpc-web', path: `/${STREAM_METHOD}`, messages, textBytes } as const;
      const load: Load = { name, http, connections: streams / perConnection, inFlight: perConnection, call };
      const mib = bytes / 2 ** 20;
      const perMib: Column = {
        ...PER_MESSAGE,
        metric: 'CPU per MiB',
        read: (sample) => PER_MESSAGE.read(sample) / mib,
      };
      const compared = size === '64 B' ? PER_MESSAGE : perMib;
      const samples = await runRounds(own, { contestants, load, plan, countersOf, wrong, toWords });
      addRows(report, { samples, compared: [compared], more: [MESSAGE_RATE], peers: ['Envoy'] });
      goals.push({ work: name, metric: "of Envoy's", max: 1 });
    }
    await stopContestants(own, contestants);
  }
  print('');
  for (const backend of backends) await backend.end();
  return [...wrong, ...findMissed(context, goals)];
};

function toWords(sample: Sample): string {
  const { messages, seconds, failed } = sample.report;
  return `${PER_MESSAGE.read(sample).toFixed(2)} us of CPU per message, ${Math.round(messages / seconds)}/s, ${failed} failed`;
}
