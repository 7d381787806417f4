import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@bascule/core';
import { createKit, createTokenInterceptor } from '@bascule/kit';
import { schemaOf } from '@bascule/schema';
import { AdminService } from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { ModuleService, VersionState } from '@bascule/schema/gen/bascule/modules/v1/modules_pb.ts';
import { listen, type Listener } from '@bascule/wire';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { RankingService } from '../../../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createRankingRoutes, type RankingProbe } from './ranking-routes.ts';

export const TOKEN = 'token-of-the-cli-tests-0123456789';

/** A gateway's two listeners with real services over made-up facts, and a folder in which the command runs. */
export interface Rig extends AsyncDisposable {
  readonly folder: string;
  readonly operatorUrl: string;
  readonly apiUrl: string;
  readonly deployed: { source: string; bytes: Buffer }[];
  readonly ranking: RankingProbe;
  /** Refuses deployments and rollbacks with this, when set. */
  refusal: string;
}

export async function startRig(): Promise<Rig> {
  const folder = await mkdtemp(join(tmpdir(), 'bascule-cli-'));
  await mkdir(join(folder, '.bascule'));
  await writeFile(join(folder, '.bascule', 'token'), `${TOKEN}\n`);
  const ranking: RankingProbe = { headers: [], watchEnded: 0 };
  const api = await serve((router) => createRankingRoutes(router, ranking));
  const facts: Facts = { apiPort: api.port, deployed: [], refusal: '' };
  const operator = await serve((router) => createOperatorRoutes(router, facts), TOKEN);
  return {
    folder,
    operatorUrl: `http://127.0.0.1:${operator.port}`,
    apiUrl: `http://127.0.0.1:${api.port}`,
    deployed: facts.deployed,
    ranking,
    get refusal() {
      return facts.refusal;
    },
    set refusal(refusal) {
      facts.refusal = refusal;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([operator.close(0), api.close(0)]);
      await rm(folder, { recursive: true });
    },
  };
}

interface Facts {
  readonly apiPort: number;
  readonly deployed: { source: string; bytes: Buffer }[];
  refusal: string;
}

function serve(routes: (router: ConnectRouter) => void, token?: string): Promise<Listener> {
  const kit = createKit({ routes, interceptors: token === undefined ? [] : [createTokenInterceptor(token)] });
  return listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
}

const V1 = {
  module: 'ranking',
  version: '1.0.0',
  digest: 'sha256:0123456789abcdef',
  state: VersionState.CURRENT,
  services: [RankingService.typeName],
  deployedAt: { seconds: 1_700_000_000n },
  openCalls: 3,
  source: '/m/ranking',
};

function createOperatorRoutes(router: ConnectRouter, facts: Facts): void {
  router.service(AdminService, {
    listEndpoints: ({ service }) => ({
      endpoints: [
        {
          cluster: 'a.B',
          instanceId: 'b-1',
          address: '127.0.0.1:5001',
          state: 'ready',
          source: 'registry',
          weight: 1,
          calls: 12n,
        },
        // A name that would clear the screen.
        {
          cluster: 'a.B',
          instanceId: 'b-\u001b[2J',
          address: '127.0.0.1:5002',
          state: 'draining',
          source: 'static',
          failures: 2n,
        },
      ].filter((endpoint) => service === '' || endpoint.cluster === service),
    }),
    getServiceSchema({ service }) {
      if (service !== RankingService.typeName) {
        throw new ConnectError(`no endpoint serves ${service}\nKnown are ${RankingService.typeName}.`, Code.NotFound);
      }
      return { schema: schemaOf([RankingService]) };
    },
    getStatus: () => ({
      version: '0.1.0',
      apiAddress: `0.0.0.0:${facts.apiPort}`,
      configRevision: 4n,
      dataThreads: 2,
      configError: 'bascule.yaml:2:9 listener.port: must be at most 65535',
    }),
  });
  router.service(ModuleService, {
    async deploy(parts) {
      let source = '';
      const chunks: Uint8Array[] = [];
      for await (const { part } of parts) {
        if (part.case === 'start') source = part.value.source;
        if (part.case === 'chunk') chunks.push(part.value);
      }
      refuseIf(facts.refusal);
      facts.deployed.push({ source, bytes: Buffer.concat(chunks) });
      const timings = { unpack: { nanos: 3_000_000 }, workerStart: { nanos: 200_000_000 } };
      return { version: { ...V1, version: '2.0.0' }, previousVersion: '1.0.0', timings };
    },
    rollback({ module, version }) {
      refuseIf(facts.refusal);
      return { version: { ...V1, module, version: version === '' ? '0.9.0' : version }, previousVersion: '1.0.0' };
    },
    listVersions: () => ({
      versions: [V1, { ...V1, version: '0.9.0', state: VersionState.REFUSED, reason: 'index.ts:3: throws' }],
    }),
  });
}

function refuseIf(refusal: string): void {
  if (refusal !== '') throw new ConnectError(refusal, Code.FailedPrecondition);
}
