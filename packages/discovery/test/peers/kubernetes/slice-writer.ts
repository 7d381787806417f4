import type { Endpoint } from '@bascule/core';
import type { KubernetesServer } from '@bascule/testing/servers';
import { toMetadata } from '../../../src/metadata.ts';

/** Kubernetes takes no loopback address in a slice, so all endpoints of a test are said to be here. */
export const HOST = '10.1.2.3';

type Ask = Pick<KubernetesServer, 'ask' | 'namespace'>;

/** What stands in an EndpointSlice, as far as tests write it. */
export interface WrittenSlice {
  readonly name: string;
  readonly service: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports?: readonly object[];
  readonly endpoints: readonly object[];
}

/** Writes EndpointSlices as a controller does. */
export function createSliceWriter({ ask, namespace }: Ask) {
  const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`;

  async function fine(method: string, at: string, body?: object): Promise<number> {
    const { status, json } = await ask(method, at, body);
    if (status < 300 || status === 409 || status === 404) return status;
    throw new Error(`${method} ${at}: ${status} ${JSON.stringify(json)}`);
  }

  async function write(slice: WrittenSlice): Promise<void> {
    const { name, service, annotations = {}, labels = {}, ports = [{ name: 'grpc', port: 50_051 }] } = slice;
    const body = {
      metadata: { name, labels: { ...labels, 'kubernetes.io/service-name': service }, annotations },
      addressType: slice.addressType ?? 'IPv4',
      ports,
      endpoints: slice.endpoints,
    };
    if ((await fine('POST', path, body)) !== 409) return;
    if ((await fine('PUT', `${path}/${name}`, body)) === 404) throw new Error(`${name} went while it was written`);
  }

  return {
    write,
    async erase(name: string): Promise<void> {
      await fine('DELETE', `${path}/${name}`);
    },
  };
}

/** What a slice that holds nothing but these endpoints says; they must differ in id, zone and health only. */
export function toSlice(name: string, service: string, endpoints: readonly Endpoint[]): WrittenSlice {
  const [first] = endpoints as [Endpoint];
  const { 'bascule-zone': _, 'bascule-health': __, ...annotations } = toMetadata(first);
  return {
    name,
    service,
    annotations,
    ports: [{ name: 'grpc', port: first.port }],
    endpoints: endpoints.map(toSliceEndpoint),
  };
}

function toSliceEndpoint({ instanceId, zone, health }: Endpoint): object {
  return {
    addresses: [HOST],
    conditions: {
      ready: health === undefined,
      serving: health !== 'failing',
      terminating: health === 'draining',
    },
    targetRef: { kind: 'Pod', name: instanceId },
    ...(zone !== '' && { zone }),
  };
}
