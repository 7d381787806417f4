import { endpointKey, type Endpoint } from '@bascule/core';
import { canJudge } from '@bascule/testing/go-tool';
import { it } from 'vitest';
import { describeSystemContract } from '../contract/system-contract.ts';
import { toLocality } from '../peers/xds/assignments.ts';
import { startManagementServer, type XdsLocality } from '../peers/xds/management-server.ts';

const NO_LEASES = 'the control plane alone says who is there';

if (canJudge('xDS, by a management server of go-control-plane')) {
  describeSystemContract(
    'xds',
    async () => {
      const server = await startManagementServer();
      const locked = await startManagementServer({ token: 'known' });
      await locked.set({});
      /** What the control plane knows, by cluster. */
      const known = new Map<string, Map<string, XdsLocality>>();
      const publish = (): Promise<void> =>
        server.set(Object.fromEntries([...known].map(([cluster, all]) => [cluster, [...all.values()]])));
      return {
        server: {
          ...server,
          async restart(options) {
            for (const all of known.values()) if (options?.empty === true) all.clear();
            await server.restart(options);
            if (options?.empty === true) await publish();
          },
        },
        scope(name) {
          const cluster = (): Map<string, XdsLocality> => {
            if (!known.has(name)) known.set(name, new Map());
            return known.get(name) as Map<string, XdsLocality>;
          };
          const put = (endpoint: Endpoint): unknown => cluster().set(endpointKey(endpoint), toLocality(endpoint));
          cluster();
          return {
            access: (port) => ({ url: `xds://127.0.0.1:${port}/${name}` }),
            wrongAccess: () =>
              Promise.resolve({
                url: `xds://${locked.address}/${name}`,
                credentials: { token: 'guessed-in-the-dark' },
              }),
            writer: {
              async write(endpoint) {
                put(endpoint);
                await publish();
              },
              async erase(endpoint) {
                cluster().delete(endpointKey(endpoint));
                await publish();
              },
            },
            async writeGarbage() {
              const metadata = { bascule: { 'bascule-instance': 'garbage' } };
              cluster().set('garbage', { endpoints: [{ pipe: '/tmp/garbage', metadata }] });
              await publish();
              return 'garbage';
            },
            async spoil(endpoint) {
              const [told] = toLocality(endpoint).endpoints;
              cluster().set(endpointKey(endpoint), { endpoints: [{ ...told, port: 0 }] });
              await publish();
              return endpoint.instanceId;
            },
            async fill(endpoints) {
              endpoints.forEach(put);
              await publish();
              return {
                async erase(leaving) {
                  for (const endpoint of leaving) cluster().delete(endpointKey(endpoint));
                  await publish();
                },
              };
            },
          };
        },
        async close() {
          await server.stop();
          await locked.stop();
        },
      };
    },
    {
      removal: 'inferred',
      deregisteredAs: 'not-in-source',
      notApplicable: {
        'whoever stops renewing goes': NO_LEASES,
        'whoever is killed goes': NO_LEASES,
        'the last one may go as well':
          'a cluster without anybody is doubted, as a control plane that starts says it too',
      },
      patienceMs: 40_000,
    },
  );
} else {
  // A file without a test fails; one that is left out says so.
  it.skip('discovery system: xds (needs Go)', () => undefined);
}
