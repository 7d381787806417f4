/** Sees to it that the servers of others are there that tests of discovery run against. */
import { provide } from '../../test/support/src/servers/provide/provide.ts';

for (const name of ['etcd', 'zookeeper', 'dns'] as const) await provide(name, console.log);
