export type { CallFact } from './call-fact.ts';
export { createBasculeTransport, type BasculeTransportOptions } from './transport.ts';
