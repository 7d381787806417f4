import type { Endpoint } from '@bascule/core';
import { startDns, type DnsRecord } from '@bascule/testing/servers';
import { createEndpoint } from '../contract/endpoints.ts';
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
