export { compressionBrotli, compressionGzip, compressionZstd } from './compression.ts';
export { processedOf } from './failures.ts';
export type { NodeTransport, NodeTransportOptions, Protocol } from './options.ts';
export { createNodeTransport } from './transport.ts';
