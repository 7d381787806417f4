import type { Endpoint } from '@bascule/core';
import { startKubernetes } from '@bascule/testing/servers';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createSliceWriter, HOST, toSlice } from '../peers/kubernetes/slice-writer.ts';

const AT_ONCE = 20;

async function inParts(endpoints: readonly Endpoint[], act: (endpoint: Endpoint) => Promise<void>): Promise<void> {
  for (let from = 0; from < endpoints.length; from += AT_ONCE) {
    await Promise.all(endpoints.slice(from, from + AT_ONCE).map(act));
  }
}

const NO_LEASES = 'the cluster itself says which pods are there';

describeSystemContract(
  'kubernetes',
  async () => {
    const server = await startKubernetes();
    const { namespace, ca, readOnlyToken } = server;
    const slices = createSliceWriter(server);
    return {
      server,
      scope(service) {
        const nameOf = ({ instanceId, incarnation }: Endpoint): string => `${service}-${instanceId}-${incarnation}`;
        const urlAt = (port: number): string => `kubernetes://127.0.0.1:${port}/${namespace}/${service}?watchSeconds=4`;
        return {
          access: (port) => ({ url: urlAt(port), credentials: { token: readOnlyToken, tls: { ca } } }),
          wrongAccess: async () => ({
            url: urlAt(server.port),
            credentials: { token: 'guessed-in-the-dark', tls: { ca } },
          }),
          writer: {
            write: (endpoint) => slices.write(toSlice(nameOf(endpoint), service, [endpoint])),
            erase: (endpoint) => slices.erase(nameOf(endpoint)),
          },
          async writeGarbage() {
            const endpoints = [{ addresses: [HOST], targetRef: { kind: 'Pod', name: 'garbage' } }];
            await slices.write({
              name: `${service}-garbage`,
              service,
              annotations: { 'bascule-weight': 'x' },
              endpoints,
            });
            return `${service}-garbage`;
          },
          async spoil(endpoint) {
            const slice = toSlice(nameOf(endpoint), service, [endpoint]);
            await slices.write({ ...slice, annotations: { ...slice.annotations, 'bascule-weight': 'heavy' } });
            return slice.name;
          },
          async fill(endpoints) {
            await inParts(endpoints, (endpoint) => slices.write(toSlice(nameOf(endpoint), service, [endpoint])));
            return { erase: (leaving) => inParts(leaving, (endpoint) => slices.erase(nameOf(endpoint))) };
          },
        };
      },
      close: () => server.stop(),
    };
  },
  {
    needs: 'kubernetes',
    seenAs: (endpoint) => ({ ...endpoint, host: HOST }),
    notApplicable: {
      'whoever stops renewing goes': NO_LEASES,
      'whoever is killed goes': NO_LEASES,
    },
    // The API server ends its watches itself, in seconds of the real clock.
    stallSpeed: 1,
  },
);
