import { provide } from '@bascule/testing/servers/provide';
import type { ServerName } from '@bascule/testing/servers';

/**
 * Two builds of Go beside each other would take as long as one after the other, and twice the memory. Beside them goes what
 * mostly waits for the network. Whatever is there already costs a look.
 */
const QUEUES: readonly (readonly ServerName[])[] = [
  ['consul', 'kubernetes'],
  ['etcd', 'dns', 'redis', 'zookeeper', 'eureka', 'nacos'],
];

/** Sees to it that the servers are there that tests need, as far as they can be had; says what it does. */
export async function prepareServers(wanted?: readonly ServerName[]): Promise<void> {
  await Promise.all(
    QUEUES.map(async (queue) => {
      for (const name of queue) {
        if (wanted === undefined || wanted.includes(name)) await provide(name, (line) => console.log(line));
      }
    }),
  );
}
