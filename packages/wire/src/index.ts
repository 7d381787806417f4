export { createHttp2Link } from './http2/link.ts';
export type { Http2Limits } from './http2/limits.ts';
export type { CorsOptions } from './dialect/cors/cors.ts';
export { createGrpcUpstream } from './dialect/grpc/upstream.ts';
export { createDialectLayer, type DialectOptions } from './dialect/layer.ts';
export { listen, ListenError, type Listener, type ListenOptions } from './listener.ts';
export type { ListenLimits } from './listener/limits.ts';
export { createPortLink } from './port/link.ts';
export { servePort, type PortServer } from './port/server.ts';
