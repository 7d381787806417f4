import { isIP } from 'node:net';
import { SpecError } from '../../spec.ts';
import type { DnsServer } from './exchange.ts';

/** What a URL of DNS says. */
export interface DnsLocation {
  /** Undefined: the machine's. */
  readonly server: DnsServer | undefined;
  readonly name: string;
  /** Of addresses; undefined for SRV records, which name their ports. */
  readonly port: number | undefined;
  /** How long the zone must say that there is no such name until everybody is gone. */
  readonly graceMs: number;
  readonly minTtlMs: number;
  readonly maxTtlMs: number;
}

const DAY_MS = 86_400_000;
/** `_` begins the labels of services; others use it in names of machines as well. */
const LABEL = /^[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/** `dns://[server[:port]]/name:port`, or `dns+srv://[server[:port]]/_service._proto.name`. Throws SpecError. */
export function parseDnsUrl(url: URL): DnsLocation {
  const refuse = (why: string): never => {
    throw new SpecError(`${url.href}: ${why}`);
  };
  const isService = url.protocol === 'dns+srv:';
  const usage = isService ? 'dns+srv:///_service._proto.name' : 'dns:///name:port';
  if (url.username !== '' || url.password !== '') refuse('DNS asks for no credentials');
  if (url.hash !== '') refuse(`"${url.hash}" means nothing here`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host !== '' && isIP(host) === 0) {
    const isAlone = url.pathname === '' || url.pathname === '/';
    const meant = isAlone ? `${url.protocol}///${url.host}` : usage;
    refuse(`"${host}" is where an address of a server stands: write ${meant} to ask that of the machine`);
  }
  const { name = '', port } = /^\/(?<name>[^/:]+)(?::(?<port>[0-9]{1,5}))?$/.exec(url.pathname)?.groups ?? {};
  if (!isName(name)) refuse(`it must name what to ask for, as in ${usage}`);
  if (isIP(name) !== 0) refuse(`"${name}" is an address: write static:${name}:port`);
  if (isService && port !== undefined) refuse('SRV records name their ports: leave it out');
  if (!isService && !(Number(port) >= 1 && Number(port) <= 65_535)) refuse(`it must name a port, as in ${usage}`);

  const known = ['graceMs', 'minTtlMs', 'maxTtlMs'];
  for (const parameter of url.searchParams.keys()) {
    if (!known.includes(parameter)) refuse(`"${parameter}" is none of ${known.join(', ')}`);
  }
  const readMs = (parameter: string, standard: number, min: number): number => {
    const text = url.searchParams.get(parameter);
    const value = text === null ? standard : /^[0-9]{1,8}$/.test(text) ? Number(text) : NaN;
    return value >= min && value <= DAY_MS ? value : refuse(`"${parameter}" must be ${min} to ${DAY_MS} ms`);
  };
  const minTtlMs = readMs('minTtlMs', 1_000, 100);
  return {
    server: host === '' ? undefined : { host, port: Number(url.port || 53) },
    name: name.toLowerCase().replace(/\.$/, ''),
    port: isService ? undefined : Number(port),
    graceMs: readMs('graceMs', 30_000, 0),
    minTtlMs,
    maxTtlMs: Math.max(minTtlMs, readMs('maxTtlMs', 3_600_000, 100)),
  };
}

function isName(name: string): boolean {
  const labels = name.replace(/\.$/, '').split('.');
  return name.length <= 254 && labels.every((label) => LABEL.test(label));
}
