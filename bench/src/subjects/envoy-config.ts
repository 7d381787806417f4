import type { Certificate } from './certificate.ts';

/** Calls at once that subjects allow where thousands of streams are open. */
export const MANY_STREAMS = 8192;

export interface EnvoyConfigOptions {
  readonly port: number;
  readonly backendPorts: readonly number[];
  readonly accessLog: string;
  readonly tls: Certificate | undefined;
  /** No time limit for a route, and room for {@link MANY_STREAMS}. */
  readonly manyStreams: boolean;
}

const TYPE = 'type.googleapis.com/envoy.extensions';

/** A bootstrap configuration: gRPC-Web over HTTP/1.1 and HTTP/2 in, gRPC over HTTP/2 to a static cluster out. */
export function createEnvoyConfig(options: EnvoyConfigOptions): object {
  const { port, backendPorts, accessLog, tls, manyStreams } = options;
  const route = { cluster: 'backends', ...(manyStreams ? { timeout: '0s' } : {}) };
  const manager = {
    '@type': `${TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'ingress',
    codec_type: 'AUTO',
    access_log: [
      {
        name: 'envoy.access_loggers.file',
        typed_config: { '@type': `${TYPE}.access_loggers.file.v3.FileAccessLog`, path: accessLog },
      },
    ],
    route_config: {
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route }] }],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.grpc_web',
        typed_config: { '@type': `${TYPE}.filters.http.grpc_web.v3.GrpcWeb` },
      },
      { name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.filters.http.router.v3.Router` } },
    ],
  };
  const filter = { name: 'envoy.filters.network.http_connection_manager', typed_config: manager };
  const chain = { filters: [filter], ...(tls === undefined ? {} : { transport_socket: toTransportSocket(tls) }) };
  const listener = { name: 'ingress', address: toAddress(port), filter_chains: [chain] };
  const cluster = {
    name: 'backends',
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'LEAST_REQUEST',
    ...(manyStreams ? { circuit_breakers: { thresholds: [MANY_STREAM_THRESHOLD] } } : {}),
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': `${TYPE}.upstreams.http.v3.HttpProtocolOptions`,
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: 'backends',
      endpoints: [
        { lb_endpoints: backendPorts.map((backendPort) => ({ endpoint: { address: toAddress(backendPort) } })) },
      ],
    },
  };
  return { static_resources: { listeners: [listener], clusters: [cluster] } };
}

function toAddress(port: number): object {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}

const MANY_STREAM_THRESHOLD = {
  max_connections: MANY_STREAMS,
  max_pending_requests: MANY_STREAMS,
  max_requests: MANY_STREAMS,
};

function toTransportSocket({ certFile, keyFile }: Certificate): object {
  const certificate = { certificate_chain: { filename: certFile }, private_key: { filename: keyFile } };
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${TYPE}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: { tls_certificates: [certificate], alpn_protocols: ['h2', 'http/1.1'] },
    },
  };
}
