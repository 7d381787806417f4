import { createEndpointProbes, type EndpointTls } from '@bascule/client';
import type { Clock, Endpoint } from '@bascule/core';
import { UnimplementedProbe, type Probes } from '@bascule/discovery';

export interface CountedProbesOptions {
  readonly clock: Clock;
  /** How an endpoint is reached over TLS; undefined is in the clear. */
  tlsOf(endpoint: Endpoint): EndpointTls | undefined;
  /** An endpoint has answered, or not: for metrics. */
  onResult(result: 'pass' | 'fail'): void;
}

/** Probes over our own links. */
export function createCountedProbes(options: CountedProbesOptions): Probes {
  const onResult = (result: 'pass' | 'fail'): void => options.onResult(result);
  const probes = createEndpointProbes(options.clock, (endpoint) => options.tlsOf(endpoint));

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
