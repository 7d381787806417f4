import { MessageChannel } from 'node:worker_threads';
import { systemClock } from '@bascule/core';
import { describeServiceContract } from '@bascule/testing';
import { createPortLink } from '../../src/port/link.ts';
import { servePort } from '../../src/port/server.ts';

describeServiceContract('a message port', (callee) => {
  const { port1, port2 } = new MessageChannel();
  const server = servePort(port2, callee, systemClock);
  const link = createPortLink(port1, systemClock);
  return {
    service: link.service,
    async close() {
      link.destroy();
      await server.onClosed;
    },
  };
});
