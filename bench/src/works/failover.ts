import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createRandom } from '@bascule/core';
import { RankingService } from '@bascule/app-backend/gen/demo/ranking/v1/ranking_pb.ts';
import { startRankingBackend, type RankingBackend } from '../backends/ranking-backend.ts';
import { startUnaryDriver, type RemoteUnaryDriver } from '../drivers/start-unary.ts';
import { createOperator, type Operator } from '../operator.ts';
import { startBasculeGateway } from '../subjects/bascule-gateway.ts';
import { nowMs, wait } from '../time.ts';
import type { Work, WorkContext } from '../work.ts';
import { judgeKill, type Kill } from './failover-judge.ts';
import { addKillRows } from './failover-rows.ts';

const BACKENDS = 3;
const CONNECTIONS = 48;
const LATENCY_MS = { min: 20, max: 50 };
const NEEDED_IN_FLIGHT = 10;
const SEED = 20_261_121;
/** A round that is void is made again. A busy machine has many; more than this beside the good ones is a broken bench. */
const MAX_VOID = 10;
const READY_MS = 15_000;

/** A backend killed with -9 under load, again and again, with calls that may be repeated and calls that may not. */
export const runFailover: Work = async (context) => {
  const { flags, folder, print } = context;
  const rounds = flags.rounds ?? (flags.quick ? 3 : 20);
  const seconds = flags.seconds ?? 1.5;
  const home = join(folder, 'bascule');
  await mkdir(home);
  // The answers tell how often each call was tried.
  const config = { observe: { accessLog: 'access.log', exposeEndpoint: true } };
  const gateway = await startBasculeGateway({ home, config, core: undefined });
  const operator = createOperator(gateway);
  const registry = { url: gateway.operatorUrl, token: gateway.token };
  const start = (i: number): Promise<RankingBackend> =>
    startRankingBackend(folder, { instanceId: `backend-${i + 1}`, registry, latencyMs: LATENCY_MS });
  const backends = await Promise.all(Array.from({ length: BACKENDS }, (_, i) => start(i)));
  print(
    `bascule gateway with its defaults and exposeEndpoint, one thread, not pinned; ${BACKENDS} backends of our server`,
  );
  print(
    `package, registered by themselves with the default lease; each call takes ${LATENCY_MS.min} to ${LATENCY_MS.max} ms; ${CONNECTIONS} connections`,
  );
  print(
    `of gRPC-Web over HTTP/1.1, closed loop; ${rounds} kills with -9 each, ${seconds} s before and after; seed ${SEED}\n`,
  );

  const wrong: string[] = [];
  const random = createRandom(SEED);
  for (const probe of ['rank', 'vote'] as const) {
    const driver = await startUnaryDriver(folder, { port: gateway.port, probe, keepCalls: true });
    await driver.connect(CONNECTIONS);
    const kills: Kill[] = [];
    for (let voids = 0; kills.length < rounds;) {
      await waitForReady(operator);
      const victim = Math.floor(random() * BACKENDS);
      const beforeMs = (seconds * (0.5 + random()) * 1000) | 0;
      const kill = await killOnce({ probe, driver, backends, victim, beforeMs, afterMs: seconds * 1000 });
      backends[victim] = await start(victim);
      if (kill.inFlight < NEEDED_IN_FLIGHT) {
        print(`${probe}: void, ${kill.inFlight} calls were in flight on the killed backend`);
        if (++voids > MAX_VOID + rounds) throw new Error(`${voids} void rounds: this machine cannot carry the load`);
        continue;
      }
      kills.push(kill);
      wrong.push(...kill.wrong.map((what) => `${probe}, kill ${kills.length}: ${what}`));
      print(`${probe} ${kills.length}: ${kill.inFlight} in flight, ${kill.failed} failed, ${kill.retries} repeated`);
    }
    addKillRows(context, probe, kills);
    await driver.end();
  }
  await addLease(context, operator, backends[0] as RankingBackend);
  print('');
  for (const backend of backends) await backend.kill();
  await gateway.stop();
  return wrong;
};

interface KillOptions {
  readonly probe: 'rank' | 'vote';
  readonly driver: RemoteUnaryDriver;
  readonly backends: readonly RankingBackend[];
  readonly victim: number;
  readonly beforeMs: number;
  readonly afterMs: number;
}

async function killOnce({ probe, driver, backends, victim, beforeMs, afterMs }: KillOptions): Promise<Kill> {
  await Promise.all(backends.map((backend) => backend.clear()));
  await driver.start();
  await wait(beforeMs);
  const killedMs = nowMs();
  await (backends[victim] as RankingBackend).kill();
  await wait(afterMs);
  const report = await driver.stop();
  const executions = await Promise.all(backends.map((backend) => backend.read()));
  return judgeKill({ mayRepeat: probe === 'rank', report, executions, victim, killedMs });
}

/** All backends registered, connected and known by their newest start. */
async function waitForReady({ admin }: Operator): Promise<void> {
  const startedMs = nowMs();
  for (;;) {
    const { endpoints } = await admin.listEndpoints({ service: RankingService.typeName });
    const ready = endpoints.filter(({ state }) => state === 'ready');
    if (ready.length === BACKENDS && endpoints.length === BACKENDS) return;
    if (nowMs() - startedMs > READY_MS) throw new Error(`${ready.length} of ${BACKENDS} backends are ready`);
    await wait(50);
  }
}

/** How long a killed backend that does not come back stays in the set. */
async function addLease({ report }: WorkContext, { admin }: Operator, backend: RankingBackend): Promise<void> {
  const killedMs = nowMs();
  await backend.kill();
  for (;;) {
    const { endpoints } = await admin.listEndpoints({ service: RankingService.typeName });
    if (!endpoints.some(({ instanceId }) => instanceId === backend.instanceId)) break;
    await wait(100);
  }
  const values = [(nowMs() - killedMs) / 1000];
  report.add({ work: 'lease', subject: 'Bascule', metric: 'out of the set after', unit: 's' }, values);
}
