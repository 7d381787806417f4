import { SpecError, type Credentials } from '../../spec.ts';
import { readSystemUrl } from '../system-url.ts';

/**
 * `eureka://host:8761[,host:8761 ...]/eureka[/APP]`, or `eureka+https`; `/eureka/v2` where that is the path of a Netflix
 * Eureka. Parameters: `intervalMs` between two looks (default 30,000, as the server renews its answers), `host` (`ip`,
 * `name`).
 */
export interface EurekaTarget {
  readonly origins: readonly string[];
  /** Begins with a slash and does not end in one. */
  readonly basePath: string;
  /** In upper case, as Eureka keeps it; undefined: all there are. */
  readonly app: string | undefined;
  readonly intervalMs: number;
  /** Which of an instance's two addresses is called. */
  readonly host: 'ip' | 'name';
}

const PARAMETERS = ['intervalMs', 'host'];
const DEFAULT_PORT = 8761;
const DEFAULT_BASE = ['eureka'];

/** Throws SpecError. */
export function readEurekaUrl(url: URL): EurekaTarget {
  const parts = readSystemUrl(url, { port: DEFAULT_PORT, parameters: PARAMETERS });
  const at = parts.segments.indexOf('eureka') + 1;
  const end = parts.segments[at] === 'v2' ? at + 1 : at;
  const [app, ...more] = parts.segments.slice(end);
  if ((at === 0 && app !== undefined) || more.length > 0) {
    throw new SpecError(`${url.href}: the path must end in /eureka or /eureka/APP`);
  }
  const base = at === 0 ? DEFAULT_BASE : parts.segments.slice(0, end);
  return {
    origins: parts.origins,
    basePath: `/${base.map(encodeURIComponent).join('/')}`,
    app: app?.toUpperCase(),
    intervalMs: parts.ms('intervalMs', { default: 30_000, min: 50, max: 600_000 }),
    host: parts.word('host', ['ip', 'name']),
  };
}

/** Headers that say who we are. Throws SpecError for what Eureka does not take. */
export function toEurekaHeaders({ token, username, password = '' }: Credentials): Record<string, string> {
  if (token !== undefined)
    throw new SpecError('Eureka knows users and passwords, no tokens: give "username" and "password"');
  if (username === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` };
}
