import { formatAddress, type Clock, type Endpoint } from '@bascule/core';
import { createProbes, type ClosableTransport, type Probes } from '@bascule/discovery';
import { explainTlsFailure, toTlsOptions, type AlpnProtocol } from '@bascule/wire';
import type { EndpointTls } from '../channel/endpoint-tls.ts';
import { createNodeTransport } from '../transport.ts';

/** An answer to a question about health has a byte or two. */
const MAX_ANSWER_BYTES = 65_536;

/** Probes over our own links. `tlsOf` is asked for each probe how an endpoint is reached; undefined is in the clear. */
export function createEndpointProbes(clock: Clock, tlsOf: (endpoint: Endpoint) => EndpointTls | undefined): Probes {
  return createProbes({
    dial: (endpoint) => dialEndpoint(endpoint, clock, tlsOf(endpoint)),
    tlsOf(endpoint) {
      const tls = tlsOf(endpoint);
      if (tls === undefined) return undefined;
      const { host, port } = endpoint;
      const own: AlpnProtocol = endpoint.protocol.endsWith('+http1') ? 'http/1.1' : 'h2';
      return {
        optionsFor: (protocol) => toTlsOptions({ host, port, protocol: protocol ?? own }, tls.current()),
        explain: (error, protocol) => explainTlsFailure(error, protocol ?? own),
      };
    },
  });
}

function dialEndpoint(endpoint: Endpoint, clock: Clock, tls: EndpointTls | undefined): ClosableTransport {
  const { protocol } = endpoint;
  return createNodeTransport({
    baseUrl: `${tls === undefined ? 'http' : 'https'}://${formatAddress(endpoint)}`,
    // Sources tell of no ports to modules, so no other is left.
    protocol: protocol.replace('+http1', '') as 'grpc' | 'grpc-web' | 'connect',
    httpVersion: protocol.endsWith('+http1') ? '1.1' : '2',
    clock,
    ...(tls !== undefined && { tls: () => tls.current() }),
    // What waits for an answer is the check, and it has a limit of its own.
    connectWaitMs: 0,
    inheritDeadline: false,
    readMaxBytes: MAX_ANSWER_BYTES,
  });
}
