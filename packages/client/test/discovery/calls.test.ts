import { Code } from '@connectrpc/connect';
import { TEST_TLS } from '@bascule/testing/tls';
import { describe, expect, it } from 'vitest';
import type { NodeTransportOptions } from '../../src/index.ts';
import { connect, type OurClient } from '../support/calls.ts';
import { failing, startFleet, staticUrl, type FleetMember } from '../support/fleet.ts';
import { DUPLEX_SCENARIOS, SCENARIOS, seeError } from '../support/scenarios.ts';
import { startServer } from '../support/servers.ts';

/** A client of whoever the sources say is there. */
function connectTo(sources: string[], options: Partial<NodeTransportOptions> = {}): OurClient {
  return connect(undefined, { discovery: { sources }, ...options });
}

const addressOf = (url: string): string => new URL(url).host;
const callsOf = (members: readonly FleetMember[]): number[] => members.map(({ calls }) => calls);

describe('calls to whoever is there', () => {
  it.each(Object.entries({ ...SCENARIOS, ...DUPLEX_SCENARIOS }))(
    '%s: a caller sees what it sees of one server',
    async (_, see) => {
      await using server = await startServer('2');
      await using over = connect(server.url);
      await using ours = connectTo([`static:${addressOf(server.url)}`]);
      expect(await see(ours.client, ours.transport)).toEqual(await see(over.client, over.transport));
    },
  );

  it.each([
    ['grpc-web', '2'],
    ['grpc-web', '1.1'],
    ['connect', '2'],
    ['connect', '1.1'],
  ] as const)(
    'speak the protocol of the options where an endpoint does not say its own: %s over %s',
    async (...way) => {
      const [protocol, httpVersion] = way;
      await using server = await startServer(httpVersion);
      await using ours = connectTo([`static:${addressOf(server.url)}`], { protocol, httpVersion, useHttpGet: true });
      expect((await ours.client.say({ value: 'a' })).value).toBe('a');
      expect(server.probe.methods).toEqual([protocol === 'connect' ? 'GET' : 'POST']);
    },
  );

  it('are shared by all', async () => {
    await using fleet = await startFleet(3);
    await using ours = connectTo([staticUrl(fleet)], {
      balancing: { policy: { name: 'round-robin', weighted: true } },
    });
    // The first go to whoever is ready first.
    while (fleet.some(({ sessions }) => sessions.size === 0)) await ours.client.say({ value: 'a' });
    const before = callsOf(fleet);
    await Promise.all(Array.from({ length: 30 }, () => ours.client.say({ value: 'a' })));
    expect(callsOf(fleet).map((calls, index) => calls - (before[index] as number))).toEqual([10, 10, 10]);
  });

  it('go over TLS by the name of the base URL, whatever the address', async () => {
    await using server = await startServer('2', { tls: TEST_TLS });
    await using ours = connectTo([`static:127.0.0.1:${new URL(server.url).port}`], {
      baseUrl: 'https://localhost',
      tls: { ca: TEST_TLS.cert },
    });
    expect((await ours.client.say({ value: 'a' })).value).toBe('a');
  });

  it('go to a higher rank while nobody of a lower one can be called', async () => {
    await using fleet = await startFleet(2);
    const [first, second] = fleet as unknown as [FleetMember, FleetMember];
    const sources = [`static:${first.address}`, { url: `static:${second.address}`, rank: 1 }];
    await using ours = connect(undefined, { discovery: { sources } });
    await ours.client.say({ value: 'a' });
    while (second.sessions.size === 0 || first.sessions.size === 0) await ours.client.say({ value: 'a' });
    const before = second.calls;
    await Promise.all(Array.from({ length: 20 }, () => ours.client.say({ value: 'a' })));
    expect(second.calls).toBe(before);
    await first.kill();
    await Promise.all(Array.from({ length: 20 }, () => ours.client.say({ value: 'a' })));
    expect(second.calls).toBe(before + 20);
  });

  it('are repeated elsewhere where that does no harm, and never otherwise', async () => {
    await using fleet = await startFleet(2);
    const [bad] = fleet as unknown as [FleetMember];
    bad.before = failing(100, () => 0);
    await using ours = connectTo([staticUrl(fleet)], { balancing: { outlier: undefined as never } });
    while (fleet.some(({ calls }) => calls === 0)) await ours.client.say({ value: 'a' });
    const before = callsOf(fleet);
    let failed = 0;
    for (let i = 0; i < 30; i++) {
      const seen = await seeError(ours.client.blob({ value: new Uint8Array(3) }));
      if (seen['code'] === Code[Code.Unavailable]) failed++;
    }
    // Each ran once, wherever.
    const ran = callsOf(fleet).map((calls, index) => calls - (before[index] as number));
    expect([(ran[0] as number) + (ran[1] as number), ran[0]]).toEqual([30, failed]);
    expect(failed).toBeGreaterThan(0);
  });

  it('are treated by the policy of their method, asked once', async () => {
    await using fleet = await startFleet(2);
    for (const member of fleet) member.before = failing(100, () => 0);
    const asked: string[] = [];
    await using ours = connectTo([staticUrl(fleet)], {
      policy(method) {
        asked.push(method.method);
        return { retry: { maxAttempts: method.method === 'Say' ? 1 : 2, anyMethod: true } };
      },
    });
    await seeError(ours.client.say({ value: 'a' }));
    expect(callsOf(fleet).reduce((sum, calls) => sum + calls)).toBe(1);
    await seeError(ours.client.blob({ value: new Uint8Array(1) }));
    await seeError(ours.client.blob({ value: new Uint8Array(1) }));
    expect(callsOf(fleet).reduce((sum, calls) => sum + calls)).toBe(5);
    expect(asked).toEqual(['Say', 'Blob']);
  });

  it('end at the deadline of their policy, where they bring none', async () => {
    await using server = await startServer('2');
    await using ours = connectTo([`static:${addressOf(server.url)}`], {
      policy: { defaultTimeoutMs: 50, maxTimeoutMs: 100 },
    });
    expect(await seeError(ours.client.say({ value: 'hang' }))).toMatchObject({ code: 'DeadlineExceeded' });
    const startedMs = performance.now();
    const late = ours.client.say({ value: 'hang' }, { timeoutMs: 60_000 });
    expect(await seeError(late)).toMatchObject({ code: 'DeadlineExceeded' });
    expect(performance.now() - startedMs).toBeLessThan(30_000);
  });

  it('may be open so many at once, and no more', async () => {
    await using fleet = await startFleet(1);
    const gate = Promise.withResolvers<void>();
    (fleet[0] as FleetMember).before = () => gate.promise;
    await using ours = connectTo([staticUrl(fleet)], { limits: { maxCalls: 2 } });
    const open = [ours.client.say({ value: 'a' }), ours.client.say({ value: 'b' })];
    expect(await seeError(ours.client.say({ value: 'c' }))).toMatchObject({ code: 'ResourceExhausted' });
    gate.resolve();
    await Promise.all(open);
  });
});

describe('a transport over discovery', () => {
  it('says what is wrong with a source, to every call', async () => {
    await using ours = connectTo(['nonsense://127.0.0.1:1']);
    for (let i = 0; i < 2; i++) {
      const seen = await seeError(ours.client.say({ value: 'a' }));
      expect(seen).toMatchObject({ code: 'Internal', message: expect.stringContaining('"nonsense:" is no scheme') });
    }
  });

  it('says why there is nobody', async () => {
    await using gone = await startFleet(1);
    const url = staticUrl(gone);
    await (gone[0] as FleetMember).kill();
    await using ours = connectTo([url], { connectWaitMs: 1_000 });
    const seen = await seeError(ours.client.say({ value: 'a' }));
    expect(seen).toMatchObject({ code: 'Unavailable', message: expect.stringContaining('ECONNREFUSED') });
    await using other = connectTo(['file:/nowhere/endpoints.json'], { connectWaitMs: 1_000 });
    const missing = await seeError(other.client.say({ value: 'a' }));
    expect(missing).toMatchObject({ code: 'Unavailable', message: expect.stringContaining('/nowhere/endpoints.json') });
  });

  it('wants to know whom to call', () => {
    expect(() => connect(undefined, {})).toThrow('give baseUrl, or discovery');
    expect(() => connect(undefined, { discovery: { sources: [] } })).toThrow('sources');
  });

  it('closes every connection, when the last call has ended', async () => {
    await using fleet = await startFleet(3);
    const gate = Promise.withResolvers<void>();
    const ours = connectTo([staticUrl(fleet)]);
    await ours.client.say({ value: 'a' });
    for (const member of fleet) member.before = () => gate.promise;
    const open = Array.from({ length: 6 }, () => ours.client.say({ value: 'b' }));
    while (fleet.reduce((sum, { calls }) => sum + calls, 0) < 7) await new Promise(setImmediate);
    const closing = ours.transport.close();
    expect(await seeError(ours.client.say({ value: 'c' }))).toMatchObject({ message: 'the transport is closed' });
    gate.resolve();
    expect((await Promise.all(open)).map(({ value }) => value)).toEqual(Array.from({ length: 6 }, () => 'b'));
    await closing;
    while (fleet.some(({ sockets }) => sockets.size > 0)) await new Promise(setImmediate);
  });

  it('closes at once when nobody has called, and while its sources are opened', async () => {
    await connectTo(['static:127.0.0.1:1']).transport.close();
    await using fleet = await startFleet(1);
    const ours = connectTo([staticUrl(fleet)]);
    const call = ours.client.say({ value: 'early' });
    await ours.transport.close();
    expect((await call).value).toBe('early');
  });
});
