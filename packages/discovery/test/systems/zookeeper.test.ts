import { startZookeeper } from '@bascule/testing/servers';
import { describeSystemContract } from '../contract/system-contract.ts';
import { createZookeeperNodes } from '../peers/zookeeper-nodes.ts';

describeSystemContract(
  'zookeeper',
  async () => {
    const server = await startZookeeper();
    const locked = await startZookeeper({ auth: true });
    const nodes = createZookeeperNodes(server.address);
    return {
      server,
      scope: (name) => ({
        access: (port) => ({ url: `zookeeper://127.0.0.1:${port}/${name}` }),
        // ZooKeeper keeps no users: to be nobody is all that can be wrong.
        wrongAccess: async () => ({ url: `zookeeper://${locked.address}/${name}` }),
        async writeGarbage() {
          await nodes.put(`/${name}/endpoints/garbage`, '{"instanceId": "garbage"');
          return `/${name}/endpoints/garbage`;
        },
        async spoil({ instanceId }) {
          await nodes.put(`/${name}/endpoints/${instanceId}`, '\u0000\u0001');
          return `/${name}/endpoints/${instanceId}`;
        },
      }),
      async close() {
        await nodes.close();
        await server.stop();
        await locked.stop();
      },
    };
  },
  { needs: 'zookeeper' },
);
