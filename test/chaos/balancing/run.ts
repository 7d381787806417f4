import { makeFolder } from '../../support/src/servers/folders.ts';
import { createChance } from '../chance.ts';
import { createExecutions } from '../discovery/executions.ts';
import { observe } from '../discovery/observer.ts';
import { startGatewayProcess } from '../discovery/programs.ts';
import { createScene, type Scene } from '../discovery/scene.ts';
import { ChaosService } from '../schema.ts';
import { startBackend } from './backend.ts';
import { startFleet } from './fleet.ts';
import { startTraffic } from './traffic.ts';
import { judge, type Measured } from './verdict.ts';

/** What came of one run. */
export interface Outcome {
  readonly seed: number;
  readonly policy: string;
  readonly workers: number;
  /** `void`: a fault that was made was felt by nobody, so the run has tested less than it says. */
  readonly verdict: 'ok' | 'failed' | 'void';
  readonly wrongs: readonly string[];
  readonly story: readonly string[];
  /** How often each fault was made. */
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly measured: Measured | undefined;
}

/** In turn by seed, so that runs of following seeds have all of them. */
const POLICIES = [
  'LEAST_REQUEST',
  'ROUND_ROBIN',
  'RANDOM',
  'LEAST_RESPONSE_TIME',
  'PEAK_EWMA',
  'ORCA_WEIGHTED_ROUND_ROBIN',
  'DYNAMIC_WEIGHT',
  'RING_HASH',
  'MAGLEV',
  'RENDEZVOUS',
];

/** Leases short enough to be outlasted by a pause, and long enough for a busy machine. */
const TTL_MS = 4_000;
const FAULTS_FELT = ['kill', 'pause'];

/** Shakes backends behind a gateway for so long. Never rejects: what goes wrong is in the outcome. */
export async function runBalancing(
  seed: number,
  seconds: number,
  onLine: (line: string) => void = () => {},
): Promise<Outcome> {
  const stack = new AsyncDisposableStack();
  const scene = createScene(seed, stack, onLine);
  const policy = POLICIES[seed % POLICIES.length] as string;
  const workers = Math.floor(seed / POLICIES.length) % 2 === 0 ? 0 : 2;
  scene.note(`seed ${seed}, policy ${policy}, ${workers} workers`);
  let measured: Measured | undefined;
  try {
    measured = await shake(scene, { policy, workers, seconds });
  } catch (error) {
    scene.wrong(error instanceof Error ? (error.stack ?? error.message) : String(error));
  }
  const ranSeconds = Math.round(scene.nowMs() / 100) / 10;
  try {
    await stack.disposeAsync();
  } catch (error) {
    scene.wrong(`at the end: ${String(error)}`);
  }
  const { wrongs, story, faults } = scene;
  const made = Object.fromEntries([...faults].map(([fault, counts]) => [fault, counts.made]));
  const isVoid = FAULTS_FELT.some((fault) => (faults.get(fault)?.made ?? 0) === 0 || faults.get(fault)?.bit === 0);
  const verdict = wrongs.length > 0 ? 'failed' : isVoid ? 'void' : 'ok';
  return { seed, policy, workers, verdict, wrongs, story, faults: made, seconds: ranSeconds, measured };
}

interface Shape {
  readonly policy: string;
  readonly workers: number;
  readonly seconds: number;
}

async function shake(scene: Scene, { policy, workers, seconds }: Shape): Promise<Measured> {
  const { stack, chance } = scene;
  const folder = makeFolder('chaos-balancing');
  stack.defer(() => folder.remove());
  const executions = createExecutions();
  const config = {
    services: { [ChaosService.typeName]: { policy: `POLICY_${policy}` } },
    observe: { accessLog: 'off', exposeEndpoint: true },
  };
  const gateway = await startGatewayProcess({ folder: folder.path, workers, config });
  stack.defer(() => gateway.stop());
  const observer = observe(gateway, {
    onView: () => undefined,
    onLost: (why) => scene.wrong(`the gateway shows no views: ${why}`),
  });
  stack.defer(() => observer.stop());
  const registry = { url: gateway.operatorUrl, token: gateway.token, ttlMs: TTL_MS };
  const seeds = chance.fork();
  const fleet = await startFleet({
    scene,
    chance: chance.fork(),
    start: (instanceId) =>
      startBackend({ instanceId, seed: seeds.int(2 ** 31), registry, folder: folder.path, executions }),
  });
  await observer.until('all backends take calls', ({ endpoints }) => {
    const ready = endpoints.filter(({ state }) => state === 'ready').map(({ instanceId }) => instanceId);
    return fleet.alive().every((instanceId) => ready.includes(instanceId));
  });
  const traffic = await startTraffic(gateway.baseUrl, createChance(chance.int(2 ** 31)));
  stack.defer(() => traffic.stop());
  await fleet.shake(performance.now() + seconds * 1000);
  await traffic.stop();
  return judge({ scene, traffic, fleet, executions, observer, output: () => gateway.output() });
}
