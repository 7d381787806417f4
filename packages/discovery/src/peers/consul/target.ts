import { SpecError, type Credentials } from '../../spec.ts';
import { readSystemUrl } from '../system-url.ts';

/**
 * `consul://host:8500[,host:8500 ...][/service[,service ...]]`, or `consul+https`. Parameters: `dc`, `namespace` (Enterprise), `tag` (may
 * be given again; sources follow those that carry all, registrars write them), `near`, `consistency` (`default`,
 * `consistent`), `deregisterAfterMs`.
 */
export interface ConsulTarget {
  /** Of agents. */
  readonly origins: readonly string[];
  /** Names in Consul; none: all there are. */
  readonly names: readonly string[];
  readonly dc: string | undefined;
  readonly namespace: string | undefined;
  readonly tags: readonly string[];
  readonly near: string | undefined;
  readonly consistency: 'default' | 'consistent';
  /** How long an instance is kept that does not renew: a minute at least, and the default is that or the TTL. */
  readonly deregisterAfterMs: number;
}

const PARAMETERS = ['dc', 'namespace', 'tag', 'near', 'consistency', 'deregisterAfterMs'];
const DEFAULT_PORT = 8500;
/** Consul raises what is less. */
const MIN_DEREGISTER_AFTER_MS = 60_000;
/** A week. */
const MAX_DEREGISTER_AFTER_MS = 604_800_000;

/** Throws SpecError. */
export function readConsulUrl(url: URL): ConsulTarget {
  const parts = readSystemUrl(url, { port: DEFAULT_PORT, parameters: PARAMETERS });
  const names = (parts.segments[0] ?? '').split(',').filter((name) => name !== '');
  if (parts.segments.length > 1 || new Set(names).size !== names.length) {
    throw new SpecError(`the path of a consul: URL is service names with commas between them, each once`);
  }
  const bounds = { default: MIN_DEREGISTER_AFTER_MS, min: MIN_DEREGISTER_AFTER_MS, max: MAX_DEREGISTER_AFTER_MS };
  return {
    origins: parts.origins,
    names,
    dc: parts.one('dc'),
    namespace: parts.one('namespace'),
    tags: parts.all('tag'),
    near: parts.one('near'),
    consistency: parts.word('consistency', ['default', 'consistent']),
    deregisterAfterMs: parts.ms('deregisterAfterMs', bounds),
  };
}

/** Headers that say who we are. Throws SpecError for what Consul does not take. */
export function toConsulHeaders({ token, username, password }: Credentials): Record<string, string> {
  if (username !== undefined || password !== undefined) {
    throw new SpecError('Consul knows tokens, no users and passwords: give "token"');
  }
  return token === undefined ? {} : { 'x-consul-token': token };
}
