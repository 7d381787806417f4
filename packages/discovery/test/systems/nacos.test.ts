import { startNacos } from '@bascule/testing/servers';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createNacosHand } from '../peers/nacos-hand.ts';

describeSystemContract(
  'nacos',
  async () => {
    const server = await startNacos();
    const locked = await startNacos({ auth: true });
    const hand = createNacosHand(server.url);
    return {
      server,
      scope: (name) => ({
        access: (port) => ({ url: `nacos://127.0.0.1:${port}/${name}?intervalMs=100` }),
        wrongAccess: () =>
          Promise.resolve({
            url: `nacos://${locked.address}/${name}?intervalMs=100`,
            credentials: { username: 'nacos', password: 'guessed-in-the-dark' },
          }),
        async writeGarbage() {
          const metadata = { 'bascule-instance': 'garbage', 'bascule-incarnation': 'x' };
          await hand.register({ serviceName: name, ip: '127.0.0.1', port: 1, metadata });
          return 'garbage';
        },
        async spoil({ instanceId, host, port }) {
          const metadata = { 'bascule-instance': instanceId, 'bascule-incarnation': 'x' };
          await hand.register({ serviceName: name, ip: host, port, metadata });
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
    needs: 'nacos',
    deregisteredAs: 'not-in-source',
    expiredAs: 'not-in-source',
    removal: 'inferred',
    notApplicable: {
      'the last one may go as well': 'an answer with nobody is doubted: Nacos has no history that it could go on from',
      'a cut connection is caught up':
        'who left behind a cut is doubted: a Nacos that was restarted meanwhile answers the same',
    },
    // Like Eureka it keeps ephemeral instances in memory alone, and it takes half a minute to start on a busy machine.
    patienceMs: 90_000,
  },
);
