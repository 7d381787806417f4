import type { Row } from './row.ts';
import { BACKEND_KILLED } from './rows/backend-killed.ts';
import { BACKEND_PAUSED } from './rows/backend-paused.ts';
import { DNS } from './rows/dns.ts';
import { createForeignRow } from './rows/foreign.ts';
import { GATEWAY_RESTARTED } from './rows/gateway-restarted.ts';
import { REGISTRY_KILLED } from './rows/registry-killed.ts';
import { REGISTRY_PARTITIONED } from './rows/registry-partitioned.ts';
import { REGISTRY_PAUSED } from './rows/registry-paused.ts';
import { REGISTRY_SLOW } from './rows/registry-slow.ts';
import { ROLLING_RESTART } from './rows/rolling-restart.ts';
import { SOURCES_DISAGREE } from './rows/sources-disagree.ts';
import { TWO_REGISTRIES } from './rows/two-registries.ts';

const ABOUT =
  'killed and restarted, kept and empty; cut off or silent for gateway and backends; paused beyond all leases';

/** Ways of breaking what the embedded registry is a part of. */
export const REGISTRY_ROWS: readonly Row[] = [
  REGISTRY_KILLED,
  REGISTRY_PARTITIONED,
  REGISTRY_SLOW,
  GATEWAY_RESTARTED,
  REGISTRY_PAUSED,
  ROLLING_RESTART,
  BACKEND_KILLED,
  BACKEND_PAUSED,
  TWO_REGISTRIES,
  SOURCES_DISAGREE,
];
/** Ways of breaking systems of others. */
export const FOREIGN_ROWS: readonly Row[] = [
  createForeignRow('etcd', ABOUT),
  createForeignRow('consul', ABOUT),
  createForeignRow('zookeeper', ABOUT),
  createForeignRow('eureka', ABOUT),
  createForeignRow('nacos', ABOUT),
  DNS,
];

export const ROWS: readonly Row[] = [...REGISTRY_ROWS, ...FOREIGN_ROWS];
