import { parentPort, threadId, type MessagePort } from 'node:worker_threads';
import { systemClock, type Service } from '@bascule/core';
import { servePort } from '../../src/port/server.ts';

/** A module version for tests: answers by path, in a thread of its own. */
const service: Service = (head, reply) => ({
  write(bytes) {
    reply.grant(bytes.length);
    if (head.path !== '/echo') return;
    reply.head({ status: 200, fields: [] });
    reply.write(bytes);
  },
  end() {
    if (head.path === '/crash') process.exit(1);
    if (head.path === '/context') {
      const { id, peer, dialect, method, deadlineMs } = head.call;
      const leftMs = deadlineMs === undefined ? undefined : deadlineMs - systemClock.nowMs();
      reply.head({ status: 200, fields: [] });
      reply.write(Buffer.from(JSON.stringify({ id, peer, dialect, method, leftMs, isOtherThread: threadId > 0 })));
    }
    if (head.path !== '/never') reply.end(['grpc-status', '0']);
  },
  cancel() {},
  grant() {},
});

parentPort?.on('message', (port: MessagePort) => {
  const server = servePort(port, service, systemClock);
  void server.onClosed.then(() => parentPort?.close());
});
