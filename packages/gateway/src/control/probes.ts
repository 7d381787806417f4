import { createNodeTransport } from '@bascule/client';
import { formatAddress, type Clock, type Endpoint } from '@bascule/core';
import { createProbes, UnimplementedProbe, type ClosableTransport, type Probes } from '@bascule/discovery';

export interface EndpointProbesOptions {
  readonly clock: Clock;
  /** An endpoint has answered, or not: for metrics. */
  onResult(result: 'pass' | 'fail'): void;
}

/** An answer to a question about health has a byte or two. */
const MAX_ANSWER_BYTES = 65_536;

/** Probes over our own links. */
export function createEndpointProbes(options: EndpointProbesOptions): Probes {
  const { clock } = options;
  const onResult = (result: 'pass' | 'fail'): void => options.onResult(result);
  const probes = createProbes({ dial: (endpoint) => dialEndpoint(endpoint, clock) });

  async function counted(probe: Promise<void>): Promise<void> {
    try {
      await probe;
      onResult('pass');
    } catch (error) {
      onResult(error instanceof UnimplementedProbe ? 'pass' : 'fail');
      throw error;
    }
  }

  return {
    tcp: (...question) => counted(probes.tcp(...question)),
    http: (...question) => counted(probes.http(...question)),
    grpc: (...question) => counted(probes.grpc(...question)),
    watchGrpc: (endpoint, probe, signal) => {
      const heard = (why: string | undefined): void => {
        onResult(why === undefined ? 'pass' : 'fail');
        probe.onStatus(why);
      };
      return probes.watchGrpc(endpoint, { service: probe.service, onStatus: heard }, signal);
    },
  };
}

function dialEndpoint(endpoint: Endpoint, clock: Clock): ClosableTransport {
  const { protocol } = endpoint;
  return createNodeTransport({
    baseUrl: `http://${formatAddress(endpoint)}`,
    // A port to a module is in no membership, so no other is left.
    protocol: protocol.replace('+http1', '') as 'grpc' | 'grpc-web' | 'connect',
    httpVersion: protocol.endsWith('+http1') ? '1.1' : '2',
    clock,
    // What waits for an answer is the check, and it has a limit of its own.
    connectWaitMs: 0,
    readMaxBytes: MAX_ANSWER_BYTES,
  });
}
