import { startEtcd } from '@bascule/testing/servers';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createEtcdKeys } from '../peers/etcd-keys.ts';

describeSystemContract(
  'etcd',
  async () => {
    const server = await startEtcd();
    const locked = await startEtcd({ auth: true });
    const keys = createEtcdKeys(server.url);
    return {
      server,
      scope: (name) => ({
        access: (port) => ({ url: `etcd://127.0.0.1:${port}/${name}` }),
        wrongAccess: async () => ({
          url: `etcd://${locked.address}//bascule`,
          credentials: { username: 'bascule', password: 'guessed-in-the-dark' },
        }),
        async writeGarbage() {
          await keys.put(`${name}/endpoints/garbage`, '{"instanceId": "garbage"');
          return `${name}/endpoints/garbage`;
        },
        async spoil({ instanceId }) {
          await keys.put(`${name}/endpoints/${instanceId}`, '\u0000\u0001');
          return `${name}/endpoints/${instanceId}`;
        },
      }),
      async close() {
        await server.stop();
        await locked.stop();
      },
    };
  },
  { needs: 'etcd' },
);
