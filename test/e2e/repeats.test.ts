import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { listen } from '@bascule/wire';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { connectGrpc } from './rig/dialects.ts';
import { EchoService } from './rig/echo-schema.ts';
import { listOf } from './rig/endpoints.ts';
import { eventually } from './rig/eventually.ts';
import { failureOf } from './rig/failure.ts';
import { makeFolder } from './rig/folder.ts';
import { startTestGateway } from './rig/gateway.ts';

/** `fails`: with a head, and its status in trailers. `stalls`: until it is told that nobody waits. */
type Mood = 'answers' | 'fails' | 'stalls';

/** A backend that does one thing, and knows what it was asked. */
async function startBackend(mood: Mood) {
  const seen = { said: [] as string[], joined: 0, aborted: 0, previous: [] as (string | null)[] };
  const kit = createKit({
    routes: (router) =>
      void router.service(EchoService, {
        async say({ value }, { requestHeader, responseHeader, signal }) {
          seen.said.push(value);
          seen.previous.push(requestHeader.get('grpc-previous-rpc-attempts'));
          // Without a field of its own the kit would send the failure without a head.
          responseHeader.set('x-mood', mood);
          if (mood === 'stalls') {
            await new Promise((resolve) => signal.addEventListener('abort', resolve));
            seen.aborted++;
          }
          if (mood === 'fails') throw new ConnectError('out of order', Code.Unavailable);
          return { value };
        },
        join() {
          seen.joined++;
          throw new ConnectError('out of order', Code.Unavailable);
        },
      }),
  });
  const listener = await listen({ host: '127.0.0.1', port: 0, service: kit.service, clock: systemClock });
  return {
    seen,
    address: `127.0.0.1:${listener.port}`,
    schema: kit.schema,
    [Symbol.asyncDispose]: () => listener.close(0),
  };
}

async function startWorld(moods: readonly Mood[], calls: object) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await makeFolder());
  const backends = await Promise.all(moods.map(async (mood) => stack.use(await startBackend(mood))));
  await writeFile(join(folder.path, 'echo.binpb'), backends[0]?.schema ?? '');
  const services = [EchoService.typeName];
  const endpoints = backends.map(({ address }) => ({ address, services, schema: 'echo.binpb' }));
  // Ejection is another answer to the same trouble.
  const service = { policy: 'POLICY_ROUND_ROBIN', balancing: { outlier: { off: true } }, calls };
  const config = { discovery: { endpoints }, services: { [EchoService.typeName]: service } };
  const gateway = stack.use(await startTestGateway({ workers: 0, folder, config }));
  const { transport } = stack.use(connectGrpc(gateway.baseUrl));
  const openCalls = async () => (await listOf(gateway)).endpoints.map((endpoint) => endpoint.openCalls);
  await eventually(async () => {
    expect((await listOf(gateway)).endpoints.map(({ state }) => state)).toEqual(moods.map(() => 'ready'));
  });
  const client = createClient(EchoService, transport);
  const say = (n: number) => Promise.all(Array.from({ length: n }, (_, i) => client.say({ value: String(i) })));
  return {
    seen: backends.map((b) => b.seen),
    client,
    say,
    openCalls,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const all = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));

describe('repeats over real backends', () => {
  it('find another backend for what failed in trailers, and run once what may do harm', async () => {
    await using world = await startWorld(['fails', 'answers'], {});
    const [bad, good] = world.seen;
    expect((await world.say(60)).map(({ value }) => value)).toEqual(all(60));
    expect(bad?.said.length).toBeGreaterThan(10);
    expect(good?.said.toSorted()).toEqual(all(60).toSorted());
    expect(new Set(good?.previous)).toEqual(new Set([null, '1']));

    async function* nothing() {}
    for (let n = 0; n < 20; n++) {
      expect((await failureOf(world.client.join(nothing()))).code).toBe(Code.Unavailable);
    }
    expect((bad?.joined ?? 0) + (good?.joined ?? 0)).toBe(20);
    await eventually(async () => expect(await world.openCalls()).toEqual([0, 0]));
  });

  it('go past a backend that stalls, and let it know', async () => {
    await using world = await startWorld(['stalls', 'answers'], { hedge: { delay: '0.02s', maxExtraPercent: 100 } });
    const [stalled, good] = world.seen;
    expect((await world.say(60)).map(({ value }) => value)).toEqual(all(60));
    expect(good?.said.toSorted()).toEqual(all(60).toSorted());
    expect(stalled?.said.length).toBeGreaterThan(10);
    await eventually(async () => {
      expect(stalled?.aborted).toBe(stalled?.said.length);
      expect(await world.openCalls()).toEqual([0, 0]);
    });
  });
});
