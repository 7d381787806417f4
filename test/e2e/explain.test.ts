import type { Explanation } from '@bascule/core';
import { serve, type Server } from '@bascule/server';
import { createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { RankingService } from '../../apps/backend/gen/demo/ranking/v1/ranking_pb.ts';
import { createRankingRoutes, type RankingProbe } from '../../packages/cli/test/support/ranking-routes.ts';
import { run, type Ran } from '../../packages/cli/test/support/run.ts';
import { connectGrpc } from './rig/dialects.ts';
import { listOf } from './rig/endpoints.ts';
import { eventually } from './rig/eventually.ts';
import { startTestGateway, type TestGateway } from './rig/gateway.ts';

const SERVICE = RankingService.typeName;

interface Backend {
  readonly server: Server;
  readonly probe: RankingProbe;
}

async function startBackend({ registry }: TestGateway): Promise<Backend> {
  const probe: RankingProbe = { headers: [], watchEnded: 0 };
  const server = await serve({ routes: (router) => createRankingRoutes(router, probe), registry });
  return { server, probe };
}

/** A gateway with two backends, which can take calls. */
async function startWorld(config: object = {}) {
  const stack = new AsyncDisposableStack();
  const gateway = stack.use(await startTestGateway({ workers: 0, config }));
  const backends = await Promise.all([startBackend(gateway), startBackend(gateway)]);
  for (const { server } of backends) stack.defer(() => server.close());
  await eventually(async () => {
    expect((await listOf(gateway)).endpoints.map(({ state }) => state)).toEqual(['ready', 'ready']);
  });
  const explain = (method: string, ...args: string[]): Promise<Ran> => {
    const env = { BASCULE_OPERATOR: gateway.operator.url, BASCULE_TOKEN: gateway.token };
    return run(['explain', `${SERVICE}/${method}`, ...args], { cwd: gateway.stateDir, env });
  };
  return { gateway, backends, explain, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const read = ({ stdout }: Ran): Explanation => JSON.parse(stdout) as Explanation;

describe('bascule explain', () => {
  it('says which endpoint a call would get and why, and calls nobody', async () => {
    await using world = await startWorld();
    const ran = await world.explain('Rank');
    expect(ran).toMatchObject({ code: 0, stderr: '' });
    expect(ran.stdout).toMatch(/^attempt 1, .* after the start\n {2}\S+ at 127\.0\.0\.1:\d+\n {2}by least-request: /);
    expect(ran.stdout).toContain('2 to choose from');
    expect(ran.stdout).toContain('not called: this was a dry run');
    expect(world.backends.map(({ probe }) => probe.headers.length)).toEqual([0, 0]);
  });

  it('makes the call when told to, and says how each attempt ended', async () => {
    await using world = await startWorld();
    expect((await world.explain('Rank', '{"callId": "c"}', '--call')).stdout).toMatch(
      /ok after .* ms, by the endpoint/,
    );
    const failed = await world.explain('Rank', '{"callId": "fail"}', '--call', '--json');
    expect(failed.code).toBe(0);
    expect(read(failed)).toMatchObject({
      dryRun: false,
      attempts: [
        { kind: 'first', outcome: { code: 5, by: 'callee' }, pick: { policy: 'least-request', excluded: [] } },
      ],
    });
    const stream = await world.explain('Watch', '{"callId": "three"}', '--call', '--json');
    expect(read(stream).attempts).toMatchObject([{ outcome: { code: 0 } }]);
  });

  it('says what refused a call', async () => {
    const services = { [SERVICE]: { calls: { rateLimits: [{ name: 'few', perSecond: 0.01, burst: 1 }] } } };
    await using world = await startWorld({ services });
    await world.explain('Rank', '--call');
    const ran = await world.explain('Rank', '--call');
    expect(ran.code).toBe(0);
    expect(ran.stdout).toContain('few');
    expect(ran.stdout).toContain('no attempt was made');
  });

  it('tells callers without the token nothing, and backends neither field', async () => {
    await using world = await startWorld();
    using connected = connectGrpc(world.gateway.baseUrl);
    let trailer: Headers | undefined;
    await createClient(RankingService, connected.transport).rank(
      { callId: 'x' },
      {
        headers: { 'bascule-explain': '1', 'bascule-explain-token': 'wrong' },
        onTrailer: (fields) => void (trailer = fields),
      },
    );
    expect(trailer).toBeDefined();
    expect(trailer?.get('bascule-explain')).toBeNull();
    await world.explain('Rank', '--call');
    const seen = world.backends.flatMap(({ probe }) => probe.headers);
    expect(seen).toHaveLength(2);
    for (const headers of seen) {
      expect([headers.get('bascule-explain'), headers.get('bascule-explain-token')]).toEqual([null, null]);
    }
  });

  it('says that a gateway explains nothing where it is told not to', async () => {
    await using world = await startWorld({ observe: { accessLog: 'off', explain: 'EXPLAIN_OFF' } });
    const ran = await world.explain('Rank', '--call');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toContain('explains nothing');
  });
});
