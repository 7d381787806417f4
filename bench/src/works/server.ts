import { describeCores, profileFolder, stopContestants, withDriver, type Contestant } from '../contest/contestant.ts';
import { findMissed, type Goal } from '../contest/goals.ts';
import { planOf } from '../contest/plan.ts';
import { runRounds, toCallWords } from '../contest/rounds.ts';
import { addRows, CPU_PER_CALL, type Column } from '../contest/rows.ts';
import type { Load } from '../contest/sample.ts';
import { ECHO, REPEAT } from '../servers/echo-schema.ts';
import { startEchoServer, startGoServer, type EchoServer } from '../servers/start-echo.ts';
import type { Work, WorkContext } from '../work.ts';

const MESSAGES = 1_000;
const CODEC = 'protobuf-es as its codec, google.protobuf.StringValue; no interceptors, defaults';

type Server = EchoServer & Contestant;

/** Names on the command line, names in tables, what Bascule may cost of theirs. */
const PEERS = [
  { flag: 'grpc-go', name: 'grpc-go', max: 0.75 },
  { flag: 'grpc-js', name: 'grpc-js', max: 0.4 },
  { flag: 'connect-node', name: 'connect-node', max: 0.1 },
] as const;

const PER_MESSAGE: Column = {
  metric: 'CPU per message',
  unit: 'us',
  read: ({ cpuMicroseconds, report }) => cpuMicroseconds / report.messages,
};

const UNARY = { protocol: 'grpc', path: `/${ECHO}` } as const;
const STREAM = { protocol: 'grpc', path: `/${REPEAT}`, messages: MESSAGES, textBytes: 62 } as const;

const LOADS: readonly Load[] = [
  { name: 'server, gRPC unary over h2c, 8 x 32 streams', http: '2', connections: 8, inFlight: 32, call: UNARY },
  { name: 'server, gRPC unary over h2c, 32 x 1 streams', http: '2', connections: 32, inFlight: 1, call: UNARY },
  { name: 'server, gRPC stream of 1,000 x 64 B over h2c', http: '2', connections: 4, inFlight: 4, call: STREAM },
  {
    name: 'server, gRPC-Web unary over HTTP/1.1, 32 connections',
    http: '1.1',
    connections: 32,
    inFlight: 1,
    call: { ...UNARY, protocol: 'grpc-web' },
  },
];

/** The same trivial handlers in the servers of the field. */
export const runServer: Work = async (context) => {
  const { flags, print, report } = context;
  const plan = planOf(flags, { rounds: 5, seconds: 1.5 });
  const servers = await startServers(context);
  print(
    `unary: messages of 70 bytes; streams: ${MESSAGES} messages of 64 bytes each; closed loop; ${plan.rounds} rounds of`,
  );
  print(`${plan.seconds} s in turns; no gateway in between`);
  print(describeCores());
  const wrong: string[] = [];
  const goals: Goal[] = [];
  for (const load of LOADS) {
    const contestants = servers.filter(({ speaks }) => speaks.includes(load.http)).map(({ server }) => server);
    const countersOf = (server: Server): EchoServer[] => [server];
    const samples = await runRounds(context, { contestants, load, plan, countersOf, wrong, toWords: toCallWords });
    const isStream = load.call.messages !== undefined;
    const compared = [isStream ? PER_MESSAGE : CPU_PER_CALL];
    const peers = PEERS.map(({ name }) => name).filter((name) => contestants.some((each) => each.name === name));
    addRows(report, { samples, compared, peers });
    goals.push(...PEERS.map(({ name, max }) => ({ work: load.name, metric: `of ${name}'s`, max })));
  }
  print('');
  await stopContestants(
    context,
    servers.map(({ server }) => server),
  );
  return [...wrong, ...findMissed(context, goals)];
};

interface Speaking {
  readonly server: Server;
  readonly speaks: readonly Load['http'][];
}

async function startServers(context: WorkContext): Promise<Speaking[]> {
  const { flags, folder } = context;
  const node = `Node ${process.versions.node}`;
  const profile = profileFolder(context);
  const isAsked = (flag: string): boolean => flags.subjects?.includes(flag) !== false;
  const all: Speaking[] = [];
  const add = async (speaks: Speaking['speaks'], server: EchoServer): Promise<void> =>
    void all.push({ speaks, server: await withDriver(context, server) });
  if (isAsked('bascule')) {
    const settings = [`serve of @bascule/server, ${node}, ${CODEC}`];
    await add(['1.1', '2'], await startEchoServer('bascule', '2', { name: 'Bascule', settings, folder, profile }));
  }
  if (isAsked('grpc-go')) {
    const settings = ["grpc-go 1.85.0, google.golang.org/protobuf's codec and its own generated StringValue; defaults"];
    await add(['2'], await startGoServer({ name: 'grpc-go', settings, folder }));
  }
  if (isAsked('grpc-js')) {
    const settings = [`@grpc/grpc-js, ${node}, ${CODEC}`];
    await add(['2'], await startEchoServer('grpc-js', '2', { name: 'grpc-js', settings, folder }));
  }
  if (isAsked('connect-node')) {
    for (const http of ['2', '1.1'] as const) {
      const settings = [`connectNodeAdapter on ${http === '2' ? 'node:http2' : 'node:http'}, ${node}, ${CODEC}`];
      await add([http], await startEchoServer('connect-node', http, { name: 'connect-node', settings, folder }));
    }
  }
  return all;
}
