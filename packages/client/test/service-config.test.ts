import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { compressionGzip } from '../src/index.ts';
import { balancingOfServiceConfig, readServiceConfig } from '../src/service-config.ts';
import { connect } from './support/calls.ts';
import { failing, startFleet, type FleetMember } from './support/fleet.ts';
import { seeError } from './support/scenarios.ts';
import { startServer } from './support/servers.ts';

const SERVICE = 'client.test.v1.TestService';
const RETRY = {
  maxAttempts: 3,
  initialBackoff: '0.001s',
  maxBackoff: '0.01s',
  backoffMultiplier: 2,
  retryableStatusCodes: ['INTERNAL'],
};

const configOf = (method: object, rest: object = {}): string =>
  JSON.stringify({ methodConfig: [{ name: [{ service: SERVICE }], ...method }], ...rest });

describe('a gRPC service config', () => {
  it('says which calls are repeated, over one server too', async () => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    server.before = failing(100, () => 0, Code.Internal);
    await using ours = connect(`http://${server.address}`, { serviceConfig: configOf({ retryPolicy: RETRY }) });
    await seeError(ours.client.say({ value: 'a' }));
    expect(server.calls).toBe(3);
  });

  it('says when repeats are throttled', async () => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    server.before = failing(100, () => 0, Code.Internal);
    const throttling = { retryThrottling: { maxTokens: 4, tokenRatio: 0.1 } };
    const serviceConfig = configOf({ retryPolicy: RETRY }, throttling);
    await using ours = connect(`http://${server.address}`, { serviceConfig });
    await seeError(ours.client.say({ value: 'a' }));
    // Two failures leave half of the tokens, which is not more than half.
    expect(server.calls).toBe(2);
  });

  it('says how long calls may take, and how large their messages may be', async () => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    server.before = () => new Promise((resolve) => setTimeout(resolve, 300));
    const limits = { timeout: '0.05s', maxRequestMessageBytes: 12 };
    await using ours = connect(`http://${server.address}`, { serviceConfig: configOf(limits) });
    expect(await seeError(ours.client.say({ value: 'a' }))).toMatchObject({ code: 'DeadlineExceeded' });
    const endless = async (): Promise<void> => {
      for await (const { value } of ours.client.count({ value: -1 })) expect(value).toBe('1');
    };
    expect(await seeError(endless())).toMatchObject({ code: 'DeadlineExceeded' });
    const long = ours.client.say({ value: 'much too long a word' });
    expect(await seeError(long)).toMatchObject({ code: 'ResourceExhausted', message: expect.stringContaining('12') });
  });

  it('measures messages as they go over the wire', async () => {
    await using server = await startServer('2', { compress: true });
    const serviceConfig = configOf({ maxRequestMessageBytes: 100, maxResponseMessageBytes: 1_000 });
    const compressed = { sendCompression: compressionGzip, compressMinBytes: 0 };
    await using ours = connect(server.url, { serviceConfig, ...compressed });
    expect((await ours.client.blob({ value: new Uint8Array(900) })).value).toHaveLength(900);
    await using plain = connect(server.url, { serviceConfig });
    const seen = await seeError(plain.client.blob({ value: new Uint8Array(900) }));
    expect(seen).toMatchObject({ code: 'ResourceExhausted', message: expect.stringContaining('maxRequestBytes, 100') });
    const answer = await seeError(ours.client.blob({ value: new Uint8Array(2_000) }));
    expect(answer).toMatchObject({ code: 'ResourceExhausted' });
  });

  it('gives way to the options', async () => {
    await using fleet = await startFleet(1);
    const server = fleet[0] as FleetMember;
    server.before = failing(100, () => 0, Code.Internal);
    await using ours = connect(`http://${server.address}`, {
      serviceConfig: configOf({ retryPolicy: RETRY }),
      policy: { retry: { maxAttempts: 1 } },
    });
    await seeError(ours.client.say({ value: 'a' }));
    expect(server.calls).toBe(1);
  });

  it('is refused as a whole, with all that is wrong', () => {
    const serviceConfig = configOf({ timeout: 'long', retryPolicy: { ...RETRY, maxAttempts: 1 } });
    expect(() => connect('http://127.0.0.1:1', { serviceConfig })).toThrow(
      /serviceConfig: .*maxAttempts.*methodConfig\[0\]\.timeout/,
    );
  });

  it.each([
    [{ loadBalancingConfig: [{ unknown: {} }, { round_robin: {} }] }, { name: 'round-robin', weighted: false }],
    [{ loadBalancingPolicy: 'ROUND_ROBIN' }, { name: 'round-robin', weighted: false }],
    [{ loadBalancingConfig: [{ least_request_experimental: { choiceCount: 30 } }] }, { choiceCount: 10 }],
    [
      { loadBalancingConfig: [{ weighted_round_robin: { blackoutPeriod: '2.5s', weightUpdatePeriod: '0.01s' } }] },
      { name: 'orca-weighted-round-robin', blackoutMs: 2_500, updateMs: 100, errorPenalty: 1 },
    ],
    [
      { loadBalancingConfig: [{ ring_hash_experimental: { minRingSize: '2048' } }] },
      { name: 'ring-hash', minRingSize: 2_048, maxRingSize: 4_096 },
    ],
  ])('names a policy: %j', (config, expected) => {
    const choices = readServiceConfig({ serviceConfig: JSON.stringify(config) })?.loadBalancing ?? [];
    expect(balancingOfServiceConfig(choices)).toEqual({ policy: expect.objectContaining(expected) as unknown });
  });

  it.each([
    [{ enableOobLoadReport: true }, 10_000],
    [{ enableOobLoadReport: true, oobReportingPeriod: '30s' }, 30_000],
    [{ enableOobLoadReport: false, oobReportingPeriod: '30s' }, undefined],
    [{ oobReportingPeriod: '30s' }, undefined],
  ])('says how often endpoints are asked for their load: %j', (config, periodMs) => {
    const balancing = balancingOfServiceConfig([{ name: 'weighted_round_robin', config }]);
    expect(balancing?.loadReportPeriodMs).toBe(periodMs);
  });

  it('may name only policies that are not known', () => {
    expect(balancingOfServiceConfig([{ name: 'pick_first', config: {} }])).toBeUndefined();
  });
});
