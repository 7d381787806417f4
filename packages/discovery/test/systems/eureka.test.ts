import { sleep, systemClock, type Endpoint } from '@bascule/core';
import { startEureka } from '@bascule/testing/servers';
import { toRaw } from '../../src/peers/eureka/records.ts';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createEurekaHand } from '../peers/eureka-hand.ts';

const AT_ONCE = 25;
const TOUCHES = 3;
/** Longer than the server keeps an answer, as its test set-up has it. */
const TOUCH_MS = 300;

describeSystemContract(
  'eureka',
  async () => {
    const server = await startEureka();
    const locked = await startEureka({ auth: true });
    const hand = createEurekaHand(server.url);

    async function inParts(
      endpoints: readonly Endpoint[],
      act: (endpoint: Endpoint) => Promise<unknown>,
    ): Promise<void> {
      for (let from = 0; from < endpoints.length; from += AT_ONCE) {
        await Promise.all(endpoints.slice(from, from + AT_ONCE).map(act));
      }
    }

    /** What changes while Eureka makes an answer is missing from it for three minutes, or until something else changes. */
    async function touch(path: string): Promise<void> {
      for (let times = 0; times < TOUCHES; times++) {
        await sleep(systemClock, TOUCH_MS);
        await hand.ask('PUT', `${path}/metadata?bascule-touched=${times}`);
      }
    }

    async function fill(name: string, endpoints: readonly Endpoint[]) {
      const app = name.toUpperCase();
      const pathOf = ({ instanceId }: Endpoint): string => `/apps/${app}/${instanceId}`;
      const lease = { app, durationSeconds: 600, dirtyMs: Date.now() };
      await inParts(endpoints, (endpoint) => hand.ask('POST', `/apps/${app}`, toRaw(endpoint, lease)));
      await touch(pathOf(endpoints.at(-1) as Endpoint));
      return {
        async erase(leaving: readonly Endpoint[]) {
          await inParts(leaving, (endpoint) => hand.ask('DELETE', pathOf(endpoint)));
          await touch(pathOf(endpoints.at(-1) as Endpoint));
        },
      };
    }

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
        fill: (endpoints) => fill(name, endpoints),
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
