import { describe } from 'vitest';
import { systemClock, type Service } from '@bascule/core';
import { describeServiceContract } from '@bascule/testing';
import { TEST_TLS } from '@bascule/testing/tls';
import { createHttp1Link } from '../../src/http1/client/link.ts';
import { listen } from '../../src/listener.ts';

/** HTTP/1.1 sends trailers only behind a head that announces them. */
function announcing(callee: Service): Service {
  return (head, reply) =>
    callee(head, {
      head: ({ status, fields }) => reply.head({ status, fields: [...fields, 'trailer', 'grpc-status'] }),
      write: (bytes) => reply.write(bytes),
      end: (trailers) => reply.end(trailers),
      fail: (error) => reply.fail(error),
      grant: (bytes) => reply.grant(bytes),
    });
}

const NOT_KEPT = {
  fail: 'HTTP has no word for it: the listener answers with the HTTP status of the code',
  'trailers-only': 'HTTP/1.1 answers always have a head',
};

describe.each(['plain', 'TLS'])('%s', (kind) => {
  const tls = kind === 'TLS';
  describeServiceContract(
    'an HTTP/1.1 link and a listener',
    async (callee) => {
      const listener = await listen({
        host: '127.0.0.1',
        port: 0,
        service: announcing(callee),
        clock: systemClock,
        ...(tls ? { tls: TEST_TLS } : {}),
      });
      const link = createHttp1Link({
        host: '127.0.0.1',
        port: listener.port,
        clock: systemClock,
        ...(tls ? { tls: { ca: TEST_TLS.cert, servername: 'localhost' } } : {}),
      });
      return {
        service: link.service,
        async close() {
          link.destroy();
          await link.close();
          await listener.close(0);
        },
      };
    },
    { except: NOT_KEPT },
  );
});
