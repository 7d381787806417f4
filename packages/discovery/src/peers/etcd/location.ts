import { SpecError } from '../../spec.ts';
import { pathOf, serversOf } from '../hosts.ts';

const DEFAULT_PORT = 2379;
const DEFAULT_PREFIX = 'bascule';

/** Where in which etcd. */
export interface EtcdLocation {
  /** Base URLs of the members, in the order of the URL. */
  readonly servers: readonly string[];
  /** Keys of records begin with it; what follows is their name. */
  readonly recordsPrefix: string;
  /** `ours`: records are JSON of bascule.registry.v1.Endpoint. `naming`: what etcd's own client and others write. */
  readonly layout: 'ours' | 'naming';
  schemaKey(digest: string): Uint8Array;
}

/**
 * `etcd://h1:2379,h2:2379/payments`, or `etcd+https`. The path without its first slash is what keys begin with, as for
 * the resolver of etcd's own client; a prefix that begins with a slash is written with two. Default: `bascule`. Below
 * it are `endpoints/<instance id>` and `schemas/<digest>`; with `?layout=naming` anything is a record of others.
 * Throws SpecError.
 */
export function parseEtcdUrl(url: URL): EtcdLocation {
  const unknown = [...url.searchParams.keys()].find((name) => name !== 'layout');
  if (unknown !== undefined) throw new SpecError(`${url.href}: etcd knows ?layout=naming only, not "${unknown}"`);
  const layout = url.searchParams.get('layout') ?? 'ours';
  if (layout !== 'ours' && layout !== 'naming') throw new SpecError(`${url.href}: layout must be naming or left out`);
  const scheme = url.protocol === 'etcd+https:' ? 'https' : 'http';
  const prefix = pathOf(url).slice(1).replace(/\/+$/, '') || DEFAULT_PREFIX;
  return {
    servers: serversOf(url, DEFAULT_PORT).map((server) => `${scheme}://${server}`),
    recordsPrefix: layout === 'ours' ? `${prefix}/endpoints/` : `${prefix}/`,
    layout,
    schemaKey: (digest) => Buffer.from(`${prefix}/schemas/${digest}`),
  };
}

/**
 * Names no instance, since instance ids do not begin so. Written in one step with the deletion of whoever deregisters:
 * a deletion without it is the end of a lease.
 */
export const LEFT = '~left';

/** The end of the range of all keys that begin with `prefix`. */
export function endOfRange(prefix: string): Uint8Array {
  const end = Buffer.from(prefix);
  // Never 0xff, which is no byte of UTF-8: nothing carries.
  end[end.length - 1] = (end.at(-1) as number) + 1;
  return end;
}
