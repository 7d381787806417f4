export interface EnvoyConfigOptions {
  readonly port: number;
  readonly backendPorts: readonly number[];
  readonly accessLog: string;
}

const TYPE = 'type.googleapis.com/envoy.extensions';

/** A bootstrap configuration: gRPC-Web over HTTP/1.1 in, gRPC over HTTP/2 to a static cluster out. */
export function createEnvoyConfig({ port, backendPorts, accessLog }: EnvoyConfigOptions): object {
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
      virtual_hosts: [
        { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'backends' } }] },
      ],
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
  const listener = { name: 'ingress', address: toAddress(port), filter_chains: [{ filters: [filter] }] };
  const cluster = {
    name: 'backends',
    type: 'STATIC',
    connect_timeout: '1s',
    lb_policy: 'LEAST_REQUEST',
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
