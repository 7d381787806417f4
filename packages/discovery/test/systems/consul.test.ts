import { startConsul } from '@bascule/testing/servers';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createConsulHand } from '../peers/consul-hand.ts';

describeSystemContract(
  'consul',
  async () => {
    const server = await startConsul();
    const locked = await startConsul({ acl: true });
    const hand = createConsulHand(server.url);
    return {
      server,
      scope: (name) => ({
        access: (port) => ({ url: `consul://127.0.0.1:${port}/${name}` }),
        wrongAccess: () =>
          Promise.resolve({
            url: `consul://${locked.address}/${name}`,
            credentials: { token: '11111111-2222-3333-4444-555555555555' },
          }),
        async writeGarbage() {
          await hand.register({
            ID: 'garbage',
            Name: name,
            Address: '127.0.0.1',
            Meta: { 'bascule-incarnation': 'x' },
          });
          return 'garbage';
        },
        async spoil({ instanceId }) {
          const { Address, Port, Meta } = await hand.service(instanceId);
          await hand.register({ ID: instanceId, Name: name, Address, Port, Meta: { ...Meta, 'bascule-weight': '-1' } });
          return instanceId;
        },
      }),
      async close() {
        await server.stop();
        await locked.stop();
      },
    };
  },
  {
    needs: 'consul',
    // Consul tells the datacenter of whoever names no zone.
    seenAs: (endpoint) => ({ ...endpoint, zone: endpoint.zone || 'dc1' }),
    deregisteredAs: 'not-in-source',
    // It is removed by Consul a minute later.
    expiredAs: 'failing',
    removal: 'inferred',
    notApplicable: {
      'the last one may go as well': 'an answer with nobody is doubted, as it is what a token without rights is told',
    },
  },
);
