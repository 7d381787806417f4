import { startEureka } from '@bascule/testing/servers';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createEurekaHand } from '../peers/eureka-hand.ts';

describeSystemContract(
  'eureka',
  async () => {
    const server = await startEureka();
    const locked = await startEureka({ auth: true });
    const hand = createEurekaHand(server.url);
    return {
      server,
      scope: (name) => ({
        access: (port) => ({ url: `eureka://127.0.0.1:${port}/eureka/${name}?intervalMs=100` }),
        wrongAccess: () =>
          Promise.resolve({
            url: `eureka://${locked.address}/eureka/${name}?intervalMs=100`,
            credentials: { username: 'bascule', password: 'guessed-in-the-dark' },
          }),
        async writeGarbage() {
          await hand.register(name, { instanceId: 'garbage', metadata: { 'bascule-incarnation': 'x' } });
          return 'garbage';
        },
        async spoil({ instanceId }) {
          await hand.ask('PUT', `/apps/${name}/${instanceId}/metadata?bascule-weight=-1`);
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
    needs: 'eureka',
    // It tells who left, but now and then keeps an old answer for three minutes when changes come while it makes a new one.
    removal: 'inferred',
    // It keeps its data in memory, so that every restart is one without; registrars hear of it when they renew, at a third of 60 s.
    patienceMs: 60_000,
  },
);
