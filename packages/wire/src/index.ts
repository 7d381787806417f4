export { createHttp2Link } from './http2/link.ts';
export type { Http2Limits } from './http2/limits.ts';
export type { CorsOptions } from './dialect/cors/cors.ts';
export { createGrpcUpstream } from './dialect/grpc/upstream.ts';
export { createDialectLayer, type DialectOptions } from './dialect/layer.ts';
