import { SpecError } from '../../spec.ts';
import { pathOf, serversOf } from '../hosts.ts';
import { ANYBODY_ALL, ANYBODY_READ, CREATOR_ALL, type Acl } from './operations.ts';

const DEFAULT_PORT = 2181;
const DEFAULT_ROOT = '/bascule';
const PARAMETERS: ReadonlySet<string> = new Set(['layout', 'sessionTimeoutMs', 'worldRead']);
const MIN_TIMEOUT_MS = 1_000;
const MAX_TIMEOUT_MS = 600_000;

/** Where in which ZooKeeper. */
export interface ZookeeperLocation {
  /** Each `host:port`. */
  readonly servers: readonly string[];
  readonly hasTls: boolean;
  /** The node whose children are the records. */
  readonly folder: string;
  /** `ours`: records are JSON of bascule.registry.v1.Endpoint. `curator`: what Curator's service discovery writes. */
  readonly layout: 'ours' | 'curator';
  /** Nodes that are made beside the records, in the order in which they must be made. */
  readonly folders: readonly string[];
  /** Where it is written who deregistered; see left-list.ts. */
  readonly left: string;
  readonly sessionTimeoutMs: number | undefined;
  schemaPath(digest: string): string;
  /** Of nodes that we make, with and without credentials. */
  aclFor(hasCredentials: boolean): readonly Acl[];
}

/**
 * `zookeeper://h1:2181,h2:2181/payments`, or `zookeeper+tls`. Below the path (default `/bascule`) are
 * `endpoints/<instance id>`, `schemas/<digest>` and `left/<..>`; with `?layout=curator` its children are records of Curator.
 * `sessionTimeoutMs` (1,000 to 600,000; default: the TTL of registrations, 15,000 for sources) is what servers are asked
 * for. `worldRead=false`: what we make with credentials can be read with them only. Throws SpecError.
 */
export function parseZookeeperUrl(url: URL): ZookeeperLocation {
  const { searchParams } = url;
  const unknown = [...searchParams.keys()].find((name) => !PARAMETERS.has(name));
  if (unknown !== undefined) {
    throw new SpecError(`${url.href}: "${unknown}" is not one of ${[...PARAMETERS].join(', ')}`);
  }
  const layout = searchParams.get('layout') ?? 'ours';
  if (layout !== 'ours' && layout !== 'curator') throw new SpecError(`${url.href}: layout must be curator or left out`);
  const worldRead = searchParams.get('worldRead') ?? 'true';
  if (worldRead !== 'true' && worldRead !== 'false')
    throw new SpecError(`${url.href}: worldRead must be true or false`);
  const root = rootOf(url);
  const folder = layout === 'ours' ? `${root}/endpoints` : root;
  const schemas = `${root}/schemas`;
  const left = `${root}/left`;
  const parents = root.split('/').map((_, index, parts) => parts.slice(0, index + 1).join('/'));
  return {
    servers: serversOf(url, DEFAULT_PORT),
    hasTls: url.protocol === 'zookeeper+tls:',
    folder,
    layout,
    folders: [...parents.slice(1), folder, schemas, left],
    left,
    sessionTimeoutMs: timeoutOf(url),
    schemaPath: (digest) => `${schemas}/${digest}`,
    aclFor(hasCredentials) {
      if (!hasCredentials) return [ANYBODY_ALL];
      return worldRead === 'true' ? [CREATOR_ALL, ANYBODY_READ] : [CREATOR_ALL];
    },
  };
}

function rootOf(url: URL): string {
  const path = pathOf(url).replace(/\/+$/, '') || DEFAULT_ROOT;
  if (/\/(\.{0,2})(\/|$)|[\p{Cc}\p{Cs}]/u.test(path)) {
    throw new SpecError(`${url.href}: the path must be that of a node, without empty parts and without dots as parts`);
  }
  return path;
}

function timeoutOf(url: URL): number | undefined {
  const text = url.searchParams.get('sessionTimeoutMs');
  if (text === null) return undefined;
  const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= MIN_TIMEOUT_MS && value <= MAX_TIMEOUT_MS) return value;
  throw new SpecError(`${url.href}: sessionTimeoutMs must be ${MIN_TIMEOUT_MS} to ${MAX_TIMEOUT_MS}`);
}
