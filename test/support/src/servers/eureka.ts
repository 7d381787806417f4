import type { RealServer } from './real-server.ts';

export interface EurekaOptions {
  /** How old an answer may be. Eureka's default is 30,000 ms. Default: 100 ms. */
  readonly responseCacheUpdateIntervalMs?: number;
  /** How often leases that ran out are looked for. Eureka's default is 60,000 ms. Default: 200 ms. */
  readonly evictionIntervalMs?: number;
  /** Whether it evicts nobody while too few renew. Eureka's default is true. Default: false. */
  readonly selfPreservation?: boolean;
  /** Asks for user and password (HTTP basic) on every request. Default: false. */
  readonly auth?: boolean;
}

export interface EurekaServer extends RealServer {
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}
