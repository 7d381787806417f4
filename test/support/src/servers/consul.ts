import type { RealServer } from './real-server.ts';

export interface ConsulOptions {
  /** Access control lists with "deny" as the default, and the tokens to get past them. Default: false. */
  readonly acl?: boolean;
}

export interface ConsulServer extends RealServer {
  /** May do everything; undefined without ACLs. */
  readonly managementToken: string | undefined;
  /**
   * A token that may register the service (and reads every service and node, as clients of it must). An empty restart keeps it.
   * Throws without ACLs.
   */
  serviceToken(service: string): Promise<string>;
  /** A token that reads every service and node and writes nothing. Throws without ACLs. */
  readToken(): Promise<string>;
}
