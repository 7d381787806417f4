import { Code, type RequestHead } from '@bascule/core';
import { createKit } from '@bascule/kit';
import { createGrpcUpstream } from '@bascule/wire';
import { awayFor, refuseUnder } from './support/refusing.ts';
import { describe, expect, it } from 'vitest';
import { connect } from './support/calls.ts';
import { createProbe, createRoutes } from './support/routes.ts';
import { DUPLEX_SCENARIOS, SCENARIOS, createTurns, seeError } from './support/scenarios.ts';
import { startServer } from './support/servers.ts';

const scenarios = Object.entries({ ...SCENARIOS, ...DUPLEX_SCENARIOS });

describe('a Service in place of a connection', () => {
  it.each(scenarios)('%s: a caller sees what it sees over a connection', async (_, see) => {
    await using server = await startServer('2');
    await using over = connect(server.url);
    const kit = createKit({ routes: createRoutes(createProbe()) });
    await using ours = connect('http://in.process', { service: createGrpcUpstream(kit.service) });
    expect(await see(ours.client, ours.transport)).toEqual(await see(over.client, over.transport));
  });

  it('gets requests that came while a call paused between attempts', async () => {
    const service = awayFor(8);
    await using ours = connect('http://in.process', { service });
    const turns = createTurns();
    const call = ours.client.join(turns);
    // The first pauses are of 5 ms and more.
    while (service.calls < 5) await new Promise((resolve) => setImmediate(resolve));
    turns.send('in a pause');
    while (service.calls < 9) await new Promise((resolve) => setImmediate(resolve));
    turns.send('afterwards');
    turns.end();
    expect((await call).value).toBe('');
  });

  it('gets what layers read of a call', async () => {
    const heads: RequestHead[] = [];
    await using ours = connect('https://example.com/base', {
      service: refuseUnder(heads, Code.notFound),
    });
    await seeError(ours.client.say({ value: 'a' }, { timeoutMs: 5000, headers: [['X-A', '1']] }));
    await seeError(
      ours.client.say({ value: 'a' }, { headers: { 'user-agent': 'mine', te: 'x', 'grpc-timeout': '1S' } }),
    );
    const [first, second] = heads;
    expect(first).toMatchObject({
      method: 'POST',
      path: '/base/client.test.v1.TestService/Say',
      authority: 'example.com',
      scheme: 'https',
      call: {
        dialect: 'grpc',
        method: { service: 'client.test.v1.TestService', method: 'Say', kind: 'unary', idempotency: 'no_side_effects' },
      },
    });
    expect(first?.call.deadlineMs).toBeGreaterThan(first?.call.startedMs ?? Infinity);
    expect(first?.fields.join('|')).toMatch(
      /^content-type\|application\/grpc\+proto\|te\|trailers\|grpc-accept-encoding\|gzip,br,zstd\|grpc-timeout\|(4\d{6}|5000000)u\|x-a\|1\|user-agent\|bascule-node/,
    );
    expect(second?.fields.slice(6)).toEqual(['user-agent', 'mine']);
  });
});
