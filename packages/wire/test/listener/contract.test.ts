import { systemClock } from '@bascule/core';
import { describeServiceContract } from '@bascule/testing';
import { createHttp2Link } from '../../src/http2/client/link.ts';
import { listen } from '../../src/listener.ts';

describeServiceContract(
  'an HTTP/2 link and a listener',
  async (callee) => {
    const listener = await listen({ host: '127.0.0.1', port: 0, service: callee, clock: systemClock });
    const link = createHttp2Link({ host: '127.0.0.1', port: listener.port, clock: systemClock });
    return {
      service: link.service,
      async close() {
        link.destroy();
        await listener.close(0);
      },
    };
  },
  { except: { fail: 'HTTP has no word for it: the listener answers with the HTTP status of the code' } },
);
