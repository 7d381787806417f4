import { SpecError, type Credentials } from '../../spec.ts';
import { readSystemUrl } from '../system-url.ts';

/**
 * `nacos://host:8848[,host:8848 ...]/service[,service ...]`, or `nacos+https`: Nacos 3. Parameters: `namespace` (its id),
 * `group`, `cluster` (sources may follow several, with commas between them), `intervalMs` between two looks (default 5,000).
 */
export interface NacosTarget {
  readonly origins: readonly string[];
  readonly names: readonly string[];
  readonly namespace: string;
  readonly group: string;
  readonly cluster: string;
  readonly intervalMs: number;
}

const PARAMETERS = ['namespace', 'group', 'cluster', 'intervalMs'];
const DEFAULT_PORT = 8848;

/** Throws SpecError. */
export function readNacosUrl(url: URL): NacosTarget {
  const parts = readSystemUrl(url, { port: DEFAULT_PORT, parameters: PARAMETERS });
  const names = (parts.segments[0] ?? '').split(',').filter((name) => name !== '');
  if (parts.segments.length > 1 || new Set(names).size !== names.length) {
    throw new SpecError(`${url.href}: the path is service names with commas between them, each once`);
  }
  return {
    origins: parts.origins,
    names,
    namespace: parts.one('namespace') ?? 'public',
    group: parts.one('group') ?? 'DEFAULT_GROUP',
    cluster: parts.one('cluster') ?? DEFAULT_CLUSTER,
    intervalMs: parts.ms('intervalMs', { default: 5_000, min: 50, max: 600_000 }),
  };
}

/** What Nacos calls the cluster of whoever names none. */
export const DEFAULT_CLUSTER = 'DEFAULT';

/** Throws SpecError for half of a user. */
export function checkNacosCredentials({ token, username, password }: Credentials): void {
  if ((username === undefined) === (password === undefined) && (token === undefined || username === undefined)) return;
  throw new SpecError('Nacos takes "username" with "password", or a "token"');
}
