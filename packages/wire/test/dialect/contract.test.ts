import { systemClock, type Layer, type Reply, type Service } from '@bascule/core';
import { describeServiceContract, grantingLater } from '@bascule/testing';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createDialectLayer } from '../../src/dialect/layer.ts';

const other: Service = () => ({ write() {}, end() {}, cancel() {}, grant() {} });
const dialect: Layer = createDialectLayer({ maxMessageBytes: 4 * 1024 * 1024, other, clock: systemClock });

/** What stands outside of the upstream in a gateway: a lease, which drops what comes after a cancel. */
function droppingLate(next: Service): Service {
  return (head, reply) => {
    let isCanceled = false;
    const unlessCanceled = <T>(say: (value: T) => void) => {
      return (value: T): void => void (isCanceled || say(value));
    };
    const watched: Reply = {
      head: unlessCanceled((h) => reply.head(h)),
      write: unlessCanceled((bytes) => reply.write(bytes)),
      end: unlessCanceled((trailers) => reply.end(trailers)),
      fail: unlessCanceled((error) => reply.fail(error)),
      grant: unlessCanceled((bytes) => reply.grant(bytes)),
    };
    const body = next(head, watched);
    return {
      write: (bytes) => body.write(bytes),
      end: () => body.end(),
      grant: (bytes) => body.grant(bytes),
      cancel(reason) {
        isCanceled = true;
        body.cancel(reason);
      },
    };
  };
}

describeServiceContract('the dialect layer around gRPC', (callee) => ({ service: dialect(grantingLater(callee)) }), {
  except: {
    'trailers-only': 'callers get HTTP answers, and these have a head',
    fail: 'failures are said in trailers',
    'fail-after-head': 'failures are said in trailers',
    status: 'an answer that is not 200 becomes a status in trailers',
  },
});

describeServiceContract('the upstream of gRPC', (callee) => ({ service: droppingLate(createGrpcUpstream(callee)) }), {
  except: { status: 'an answer that is not 200 becomes a failure' },
});
