import type { EtcdServer } from './etcd.ts';
import type { RealServer } from './real-server.ts';

/** The API server alone: no node, no controller. Pausing, killing and restarting mean it, not its etcd. */
export interface KubernetesServer extends RealServer {
  /** The namespace that exists besides `default`, and that `readOnlyToken` is limited to. */
  readonly namespace: string;
  /** PEM of whom to trust; the same in `caFile`. */
  readonly ca: string;
  readonly caFile: string;
  /** May do everything. */
  readonly adminToken: string;
  /** May get, list and watch EndpointSlices in `namespace`, by a Role, and nothing else. */
  readonly readOnlyToken: string;
  /** Where it keeps everything. */
  readonly store: EtcdServer;
}
