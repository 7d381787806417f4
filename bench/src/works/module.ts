import { describeCores, profileFolder, stopContestants, withDriver, type Contestant } from '../contest/contestant.ts';
import { findMissed } from '../contest/goals.ts';
import { planOf } from '../contest/plan.ts';
import { runRounds, toCallWords } from '../contest/rounds.ts';
import { addRows, CPU_PER_CALL } from '../contest/rows.ts';
import type { Load, Sample } from '../contest/sample.ts';
import { ECHO } from '../servers/echo-schema.ts';
import { startEchoServer, type EchoServer } from '../servers/start-echo.ts';
import type { Work } from '../work.ts';

const MAX_MORE_MICROSECONDS = 6;

const LOAD: Load = {
  name: 'module, gRPC unary over h2c, 8 x 32 streams',
  http: '2',
  connections: 8,
  inFlight: 32,
  call: { protocol: 'grpc', path: `/${ECHO}` },
};

const IN_LINE = 'in line';

/** What it costs to have handlers behind a message port: the same listener and kit in one process, with and without. */
export const runModule: Work = async (context) => {
  const { flags, folder, print, report } = context;
  const plan = planOf(flags, { rounds: 5, seconds: 2 });
  const profile = profileFolder(context);
  const inWorker = {
    name: 'Bascule',
    settings: ['listener -> port link -> worker thread with the kit'],
    folder,
    profile,
  };
  const inLine = { name: IN_LINE, settings: ['listener -> the same kit, in the same thread'], folder };
  const contestants: (EchoServer & Contestant)[] = [
    await withDriver(context, await startEchoServer('kit in a worker', '2', inWorker)),
    await withDriver(context, await startEchoServer('kit in line', '2', inLine)),
  ];
  print(
    `both threads of a process on one core, and its CPU time is that of both; closed loop; ${plan.rounds} rounds of`,
  );
  print(`${plan.seconds} s in turns`);
  print(describeCores());
  const wrong: string[] = [];
  const countersOf = (server: EchoServer): EchoServer[] => [server];
  const load = LOAD;
  const samples = await runRounds(context, { contestants, load, plan, countersOf, wrong, toWords: toCallWords });
  print('');
  await stopContestants(context, contestants);
  addRows(report, { samples, compared: [CPU_PER_CALL], peers: [] });
  const of = (name: string): Sample[] => samples.filter((sample) => sample.contestant === name);
  const others = of(IN_LINE);
  const metric = 'more than in line';
  report.add(
    { work: load.name, subject: 'Bascule', metric, unit: 'us' },
    of('Bascule').map((sample, round) => CPU_PER_CALL.read(sample) - CPU_PER_CALL.read(others[round] as Sample)),
  );
  return [...wrong, ...findMissed(context, [{ work: load.name, metric, max: MAX_MORE_MICROSECONDS }])];
};
