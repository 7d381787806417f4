import { systemClock, type Layer, type Reply, type Service } from '@bascule/core';
import { createHead, describeServiceContract, type ContractHarness, type ContractOptions } from '@bascule/testing';
import { createConnectUpstream } from '../../src/dialect/connect/upstream.ts';
import { createGrpcUpstream } from '../../src/dialect/grpc/upstream.ts';
import { createGrpcWebUpstream } from '../../src/dialect/grpc-web/upstream.ts';
import { createDialectLayer } from '../../src/dialect/layer.ts';
import { createHttp1Link } from '../../src/http1/client/link.ts';
import { listen } from '../../src/listener.ts';
import { callOf, REFUSING } from './support.ts';

const layer: Layer = createDialectLayer({ maxMessageBytes: 4_194_304, other: REFUSING, clock: systemClock });

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

const STREAMS: ContractOptions = {
  createHead: (overrides) => createHead({ call: callOf('bidi_stream'), ...overrides }),
  except: {
    status: 'an answer that is not 200 becomes a failure',
    fail: 'the edge says failures in trailers',
    'fail-after-head': 'the edge says failures in trailers',
  },
};

describeServiceContract(
  'gRPC out of the gateway and into one',
  (callee) => ({ service: droppingLate(createGrpcUpstream(layer(callee))) }),
  {
    ...STREAMS,
    except: { ...STREAMS.except },
  },
);

describeServiceContract(
  'gRPC-Web out of the gateway and into one',
  (callee) => ({ service: droppingLate(createGrpcWebUpstream(layer(callee))) }),
  STREAMS,
);

describeServiceContract(
  'a Connect stream out of the gateway and into one',
  (callee) => ({ service: droppingLate(createConnectUpstream(layer(callee))) }),
  { ...STREAMS, except: { ...STREAMS.except, 'trailers-only': 'a stream of Connect always has a head' } },
);

/** The same with a listener and an HTTP/1.1 link between the two. */
async function overHttp1(createUpstream: (next: Service) => Service, callee: Service): Promise<ContractHarness> {
  const listener = await listen({ host: '127.0.0.1', port: 0, clock: systemClock, service: layer(callee) });
  const link = createHttp1Link({ host: '127.0.0.1', port: listener.port, clock: systemClock });
  return {
    service: droppingLate(createUpstream(link.service)),
    async close() {
      link.destroy();
      await link.close();
      await listener.close(0);
    },
  };
}

describeServiceContract(
  'gRPC-Web out of the gateway and into one over HTTP/1.1',
  (callee) => overHttp1(createGrpcWebUpstream, callee),
  STREAMS,
);

describeServiceContract(
  'a Connect stream out of the gateway and into one over HTTP/1.1',
  (callee) => overHttp1((next) => createConnectUpstream(next), callee),
  { ...STREAMS, except: { ...STREAMS.except, 'trailers-only': 'a stream of Connect always has a head' } },
);

/** The suite also makes calls without a message, which no unary call is: they get an empty one. */
function sendingOne(next: Service): Service {
  return (head, reply) => {
    const body = next(head, reply);
    let hasWritten = false;
    return {
      write(bytes) {
        hasWritten = true;
        body.write(bytes);
      },
      end() {
        if (!hasWritten) body.write(new Uint8Array(5));
        body.end();
      },
      grant: (bytes) => body.grant(bytes),
      cancel: (reason) => body.cancel(reason),
    };
  };
}

describeServiceContract(
  'a unary call of Connect out of the gateway and into one',
  (callee) => ({ service: sendingOne(droppingLate(createConnectUpstream(layer(callee)))) }),
  {
    createHead: (overrides) => createHead({ call: callOf('unary'), ...overrides }),
    except: {
      ...STREAMS.except,
      streaming: 'one message each way',
      'no-body': 'one message each way',
      'bytes-lent': 'one message each way, and the suite sends many',
      'reply-fields': 'one message each way, and the suite answers with none',
      'trailers-only': 'a unary answer always has a head',
      cancel: 'a head comes with the whole answer alone',
    },
  },
);
