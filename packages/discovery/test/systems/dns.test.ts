import { systemClock, type Endpoint } from '@bascule/core';
import { canStart, startDns, type DnsRecord, type DnsServer } from '@bascule/testing/servers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openSource } from '../../src/systems.ts';
import { createEndpoint } from '../contract/endpoints.ts';
import { record, type Recorded } from '../contract/recorder.ts';
import { describeSystemContract } from '../contract/system-contract.ts';
import type { CaseName, SystemUnderTest } from '../contract/system-under-test.ts';
import { startDnsRelay } from './dns-relay.ts';

const TTL_SECONDS = 1;
const NO_LEASE = 'the zone is written by its owner, and nobody renews a record';
const TYPED = 'records are typed and checked as packets; see peers/dns';

const NOT_APPLICABLE: Readonly<Partial<Record<CaseName, string>>> = {
  'whoever stops renewing goes': NO_LEASE,
  'whoever is killed goes': NO_LEASE,
  'an older incarnation does not win': 'DNS knows addresses, and no instances behind them',
  'wrong credentials are told in words': 'DNS asks for none',
  'garbage stops nobody else': TYPED,
  'a known record that turns to garbage stays': TYPED,
};

/** A zone that is written for each case under a name of its own. */
async function openZone(
  urlOf: (port: number, name: string) => string,
  recordsOf: (name: string, endpoints: readonly Endpoint[]) => DnsRecord[],
): Promise<SystemUnderTest> {
  const server = await startDns();
  return {
    server,
    startRelay: startDnsRelay,
    scope(name) {
      const endpoints = new Map<string, Endpoint>();
      const save = (): Promise<void> => server.set(recordsOf(name, [...endpoints.values()]));
      return {
        access: (port) => ({ url: urlOf(port, `${name}.${server.zone}`) }),
        writer: {
          write(endpoint) {
            endpoints.set(endpoint.instanceId, endpoint);
            return save();
          },
          erase({ instanceId }) {
            endpoints.delete(instanceId);
            return save();
          },
        },
        async fill(many) {
          for (const endpoint of many) endpoints.set(endpoint.instanceId, endpoint);
          await save();
          return {
            erase(leaving) {
              for (const { instanceId } of leaving) endpoints.delete(instanceId);
              return save();
            },
          };
        },
      };
    },
    close: () => server.stop(),
  };
}

/** Addresses cannot carry a port, so the number of an endpoint is in its address here. */
function toAddress({ port }: Endpoint): string {
  const number = port - 30_000;
  return `127.1.${number >> 8}.${number & 255}`;
}

const SHORT_GRACE = 'graceMs=4000';
const A_PORT = 8_080;

describeSystemContract(
  'dns (A, AAAA)',
  () =>
    openZone(
      (port, name) => `dns://127.0.0.1:${port}/${name}:${A_PORT}?${SHORT_GRACE}`,
      (name, endpoints) =>
        endpoints.map((endpoint) => ({ type: 'A', name, ttlSeconds: TTL_SECONDS, address: toAddress(endpoint) })),
    ),
  {
    needs: 'dns',
    notApplicable: { ...NOT_APPLICABLE, 'an update is seen': 'an address is all that such a record says' },
    seenAs(endpoint) {
      const host = toAddress(endpoint);
      return createEndpoint(0, { instanceId: `${host}:${A_PORT}`, incarnation: 1, host, port: A_PORT });
    },
    deregisteredAs: 'not-in-source',
    removal: 'inferred',
  },
);

describeSystemContract(
  'dns (SRV)',
  () =>
    openZone(
      (port, name) => `dns+srv://127.0.0.1:${port}/_grpc._tcp.${name}?${SHORT_GRACE}`,
      (name, endpoints) => [
        { type: 'A', name: 'host', ttlSeconds: TTL_SECONDS, address: '127.0.0.1' },
        ...endpoints.map(({ port, weight, priority }): DnsRecord => {
          return {
            type: 'SRV',
            name: `_grpc._tcp.${name}`,
            ttlSeconds: TTL_SECONDS,
            priority,
            weight,
            port,
            target: 'host',
          };
        }),
      ],
    ),
  {
    needs: 'dns',
    notApplicable: NOT_APPLICABLE,
    updates: ['weight'],
    seenAs: ({ host, port, weight, priority }) =>
      createEndpoint(0, { instanceId: `${host}:${port}`, incarnation: 1, host, port, weight, priority }),
    deregisteredAs: 'not-in-source',
    removal: 'inferred',
  },
);

describe.skipIf(!canStart('dns'))('DNS as BIND speaks it', () => {
  let server: DnsServer;
  const opened: (() => Promise<void>)[] = [];
  beforeAll(async () => {
    server = await startDns();
  });
  afterEach(async () => {
    for (const close of opened.splice(0)) await close();
  });
  afterAll(() => server.stop());

  async function follow(url: string): Promise<Recorded> {
    const source = await openSource({
      url: new URL(url),
      credentials: {},
      clock: systemClock,
      defaults: { services: [], protocol: 'grpc', codecs: ['proto'], schemaDigest: '' },
      env: {},
      baseDir: '/',
      schemas: new Map(),
      dial: () => {
        throw new Error('nobody is dialled');
      },
    });
    opened.push(() => source.close());
    return record(source);
  }
  const tells = (seen: Recorded, ...ids: string[]) =>
    expect.poll(() => seen.told().map(({ instanceId }) => instanceId)).toEqual(ids);

  const A: DnsRecord = { type: 'A', name: 'places', ttlSeconds: 1, address: '127.0.0.5' };

  it('fails without a change, and comes back', async () => {
    await server.set([A]);
    const seen = await follow(`${server.url}/places.${server.zone}:80`);
    await tells(seen, '127.0.0.5:80');
    await server.fail();
    await expect.poll(() => seen.source.status().error ?? '').toContain('SERVFAIL');
    expect([seen.told().length, seen.removals()]).toEqual([1, []]);
    await server.set([A]);
    await expect.poll(() => seen.source.status().state).toBe('connected');
    expect(seen.log).toEqual(['insert 127.0.0.5:80#1']);
  });

  it('refuses names of others in words', async () => {
    const seen = await follow(`${server.url}/places.example.com:80`);
    await expect.poll(() => seen.source.status().error ?? '').toContain('REFUSED');
  });

  it('follows aliases, and knows both kinds of addresses', async () => {
    await server.set([
      A,
      { type: 'AAAA', name: 'places', ttlSeconds: 1, address: '::1' },
      { type: 'CNAME', name: 'alias', ttlSeconds: 1, target: 'places' },
      { type: 'SRV', name: '_grpc._tcp.x', ttlSeconds: 1, priority: 3, weight: 0, port: 81, target: 'places' },
    ]);
    await tells(await follow(`${server.url}/alias.${server.zone}:80`), '0::1:80', '127.0.0.5:80');
    const seen = await follow(`dns+srv://${server.address}/_grpc._tcp.x.${server.zone}`);
    await tells(seen, '0::1:81', '127.0.0.5:81');
    expect(seen.told()[0]).toMatchObject({ host: '::1', port: 81, priority: 3, weight: 1 });
  });

  it('keeps a name that has lost its addresses but not its other records', async () => {
    await server.set([A]);
    const seen = await follow(`${server.url}/places.${server.zone}:80?graceMs=0`);
    await tells(seen, '127.0.0.5:80');
    await server.set([{ type: 'TXT', name: 'places', ttlSeconds: 1, text: 'moved' }]);
    await tells(seen);
    await server.set([A]);
    await tells(seen, '127.0.0.5:80');
    expect(seen.removals()).toEqual([]);
  });
});
