import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import {
  AdminService,
  ListEndpointsResponseSchema,
  type ListEndpointsResponse,
} from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { listen, type Listener } from '@bascule/wire';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { run, start } from './support/run.ts';

type View = MessageInitShape<typeof ListEndpointsResponseSchema>;

let folder: string;
let operator: Listener | undefined;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bascule-endpoints-'));
  await writeFile(join(folder, 'token'), 'secret\n');
});
afterEach(async () => {
  await operator?.close(0);
  await rm(folder, { recursive: true });
});

/** A gateway that shows these views. Returns the arguments that lead to it. */
async function serve(views: readonly View[]): Promise<string[]> {
  const [first = {}] = views;
  const kit = createKit({
    routes(router) {
      router.service(AdminService, {
        listEndpoints: () => create(ListEndpointsResponseSchema, first),
        async *watchEndpoints() {
          for (const view of views) yield { view: create(ListEndpointsResponseSchema, view) };
        },
      });
    },
  });
  operator = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
  return ['--operator', `http://127.0.0.1:${operator.port}`, '--token-file', 'token'];
}

const endpoint = (instanceId: string, state = 'ready', cause = '') => ({
  cluster: 'a.B',
  instanceId,
  incarnation: 1n,
  address: `${instanceId}:1`,
  state,
  source: 'consul',
  cause,
});
const removal = (instanceId: string, cause: string) => {
  return { instanceId, incarnation: 1n, address: `${instanceId}:1`, source: 'consul', cause, atMs: 5n };
};

test('a list of more than four megabytes is read', async () => {
  const services = Array.from({ length: 20 }, (_, i) => `demo.places.v1.PlacesService${i}`);
  const endpoints = Array.from({ length: 9_000 }, (_, i) => ({ ...endpoint(`i${i}`), services }));
  const args = await serve([{ endpoints }]);
  const ran = await run(['endpoints', ...args, '--json'], { cwd: folder });
  expect(ran).toMatchObject({ code: 0, stderr: '' });
  expect((JSON.parse(ran.stdout) as ListEndpointsResponse).endpoints).toHaveLength(9_000);
});

test('--watch prints who comes, changes and leaves, with the reason as far as it is known', async () => {
  const args = await serve([
    { endpoints: [endpoint('a'), endpoint('b'), endpoint('c')], removals: [removal('z', 'replaced')] },
    {
      endpoints: [endpoint('a', 'failing', 'refused'), endpoint('b', 'draining', 'deregistered')],
      removals: [removal('b', 'deregistered'), removal('d', 'lease-expired'), removal('z', 'replaced')],
    },
    { endpoints: [endpoint('a')], removals: [] },
  ]);
  const { ended } = start(['endpoints', ...args, '--watch'], { cwd: folder, stdin: '' });
  const { code, stdout, stderr } = await ended;
  // Scripts must not take the end of the gateway for their own.
  expect([code, stderr]).toEqual([3, 'error: the gateway has stopped\n']);
  const lines = stdout.split('\n').map((line) => line.replace(/^\S+ +/, '').replaceAll(/ +/g, ' '));
  expect(lines).toEqual([
    'ready a.B a a:1 consul',
    'ready a.B b b:1 consul',
    'ready a.B c c:1 consul',
    'failing a.B a a:1 consul refused',
    'draining a.B b b:1 consul deregistered',
    'left c c:1 consul',
    'left d d:1 consul lease-expired',
    'ready a.B a a:1 consul',
    'left b b:1 consul deregistered',
    '',
  ]);
});
