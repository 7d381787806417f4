import { create } from '@bufbuild/protobuf';
import { systemClock } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { OpenRcaService } from '@bascule/schema/gen/peers/xds/open_rca_pb.ts';
import { OrcaLoadReportSchema } from '@bascule/schema/gen/peers/xds/orca_pb.ts';
import { listen } from '@bascule/wire';
import { expect, it } from 'vitest';
import type { Protocol } from '../../src/index.ts';
import { connect } from '../support/calls.ts';
import { TestService } from '../support/schema.ts';

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

/** A server that says how loaded it is, to who asks. */
async function startLoaded(applicationUtilization: number, port = 0) {
  const seen = { calls: 0, asked: 0, left: 0 };
  const kit = createKit({
    routes(router) {
      router.service(TestService, {
        say({ value }) {
          seen.calls++;
          return { value };
        },
      });
      router.service(OpenRcaService, {
        async *streamCoreMetrics(_request, { signal }) {
          seen.asked++;
          yield create(OrcaLoadReportSchema, { applicationUtilization, rpsFractional: 100 });
          if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve));
          seen.left++;
        },
      });
    },
  });
  const listener = await listen({ host: '127.0.0.1', port, service: kit.service, clock: systemClock });
  return { seen, listener, address: `127.0.0.1:${listener.port}`, [Symbol.asyncDispose]: () => listener.close(0) };
}

it.each<[Protocol, '2' | '1.1']>([
  ['grpc', '2'],
  ['grpc-web', '1.1'],
  ['connect', '2'],
])('endpoints get calls by what they say when they are asked: %s over HTTP/%s', async (protocol, httpVersion) => {
  await using idle = await startLoaded(0.1);
  await using busy = await startLoaded(0.9);
  const policy = {
    name: 'orca-weighted-round-robin',
    blackoutMs: 0,
    expirationMs: 180_000,
    updateMs: 100,
    errorPenalty: 1,
  } as const;
  await using ours = connect(undefined, {
    discovery: { sources: [`static:${idle.address},${busy.address}`] },
    balancing: { policy, loadReportPeriodMs: 60_000 },
    protocol,
    httpVersion,
  });
  const share = async (): Promise<number> => {
    const before = [idle.seen.calls, busy.seen.calls] as const;
    for (let i = 0; i < 200; i++) await ours.client.say({ value: 'a' });
    return (idle.seen.calls - before[0]) / (busy.seen.calls - before[1]);
  };
  // By weights of 9 to 1, once both have said so.
  while (!((await share()) > 7));
  // The weights are put in place again while they are counted, each time from another start.
  expect(await share()).toBeLessThan(13);
  expect([idle.seen.asked, busy.seen.asked]).toEqual([1, 1]);
  await ours.transport.close();
  while (idle.seen.left + busy.seen.left < 2) await turn();
});

it('a server that drains is not held up by being asked', async () => {
  await using server = await startLoaded(0.5);
  await using ours = connect(undefined, {
    discovery: { sources: [`static:${server.address}`] },
    balancing: { loadReportPeriodMs: 60_000 },
  });
  await ours.client.say({ value: 'a' });
  while (server.seen.asked === 0) await turn();
  await server.listener.close(60_000);
  expect(server.seen.left).toBe(1);
});

it('a server that was killed is asked again when it is back', async () => {
  const server = await startLoaded(0.5);
  await using ours = connect(undefined, {
    discovery: { sources: [`static:${server.address}`] },
    balancing: { loadReportPeriodMs: 60_000 },
  });
  await ours.client.say({ value: 'a' });
  while (server.seen.asked === 0) await turn();
  await server.listener.close(0);
  await using again = await startLoaded(0.5, server.listener.port);
  while (again.seen.asked === 0) await turn();
  expect((await ours.client.say({ value: 'b' })).value).toBe('b');
});
