import { startEchoBackends } from '../backends/echo-backends.ts';
import { describeCores, startGateways, stopContestants, type GatewayName } from '../contest/contestant.ts';
import { findMissed } from '../contest/goals.ts';
import { planOf } from '../contest/plan.ts';
import { runRounds, toCallWords } from '../contest/rounds.ts';
import { addRows, CPU_PER_CALL } from '../contest/rows.ts';
import type { Load, Sample } from '../contest/sample.ts';
import { ECHO_METHOD } from '../drivers/echo-probe.ts';
import { createCertificate } from '../subjects/certificate.ts';
import type { Work, WorkContext } from '../work.ts';

/** A load with what it may cost, as a share of what it costs Envoy. */
interface Judged {
  readonly load: Load;
  readonly max: number;
}

const CALL = { protocol: 'grpc-web', path: `/${ECHO_METHOD}` } as const;

const HTTP1: readonly Judged[] = [
  { load: { name: 'HTTP/1.1, 32 connections', http: '1.1', connections: 32, inFlight: 1, call: CALL }, max: 0.8 },
  { load: { name: 'HTTP/1.1, 256 connections', http: '1.1', connections: 256, inFlight: 1, call: CALL }, max: 0.6 },
];

function http2Loads(tls: boolean): readonly Judged[] {
  const over = tls ? 'TLS + HTTP/2' : 'h2c';
  const toLoad = (connections: number, inFlight: number): Load => {
    const name = `${over}, ${connections} x ${inFlight} streams`;
    return { name, http: '2', tls, connections, inFlight, call: CALL };
  };
  return [
    { load: toLoad(8, 32), max: 0.25 },
    { load: toLoad(32, 1), max: 0.5 },
  ];
}

/** gRPC-Web over HTTP/1.1 in, gRPC out. */
export const runGateway: Work = (context) => {
  if (context.flags.tls) throw new Error('this bench is without TLS: gateway-http2 takes --tls');
  return compareGateways(context, ['bascule', 'envoy', 'grpcwebproxy', 'node'], HTTP1);
};

/** gRPC-Web over HTTP/2 in, gRPC out. */
export const runGatewayHttp2: Work = (context) =>
  compareGateways(context, ['bascule', 'envoy', 'node'], http2Loads(context.flags.tls));

/** CPU time per call of each subject, same backends, same load, in turns. */
async function compareGateways(
  context: WorkContext,
  names: readonly GatewayName[],
  judged: readonly Judged[],
): Promise<string[]> {
  const { flags, folder, print, report } = context;
  const plan = planOf(flags, { rounds: 5, seconds: 3 });
  const tls = flags.tls ? await createCertificate(folder) : undefined;
  const backends = await startEchoBackends(folder);
  const http = judged[0]?.load.http ?? '2';
  const contestants = await startGateways(context, names, backends, { http, tls });
  print(
    `${backends.length} backends in Go with a raw codec, echoing messages of 70 bytes; gRPC-Web with about 600 bytes of`,
  );
  print(`a browser's fields; closed loop; ${plan.rounds} rounds of ${plan.seconds} s in turns, each`);
  print('on new connections, after they have been warmed up');
  print(describeCores());
  const wrong: string[] = [];
  const samples: Sample[] = [];
  const countersOf = (): typeof backends => backends;
  for (const { load } of judged) {
    samples.push(...(await runRounds(context, { contestants, load, plan, countersOf, wrong, toWords: toCallWords })));
  }
  print('');
  await stopContestants(context, contestants);
  for (const backend of backends) await backend.end();
  addRows(report, { samples, compared: [CPU_PER_CALL], peers: ['Envoy'] });
  const goals = judged.map(({ load, max }) => ({ work: load.name, metric: "of Envoy's", max }));
  return [...wrong, ...findMissed(context, goals)];
}
