import { isIPv6 } from 'node:net';

const ADDRESS = /^(?:\[(?<v6>[0-9A-Fa-f:.]+)\]|(?<name>[A-Za-z0-9][A-Za-z0-9._-]*)):(?<port>[0-9]{1,5})$/;

export interface Address {
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
}

/** `host:port`, with brackets around IPv6. Undefined for what is none. */
function parseAddress(text: string): Address | undefined {
  const { v6, name, port } = ADDRESS.exec(text)?.groups ?? {};
  if (!(Number(port) >= 1 && Number(port) <= 65_535)) return undefined;
  if (v6 === undefined) return { host: name as string, port: Number(port) };
  return isIPv6(v6) ? { host: toShortIpv6(v6), port: Number(port) } : undefined;
}

const HTTPS = 'https://';

/** The same as people write down who is there: `https://` in front says that TLS is spoken. Undefined for what is none. */
export function parseWrittenAddress(text: string): (Address & { readonly tls?: true }) | undefined {
  if (!text.startsWith(HTTPS)) return parseAddress(text);
  const address = parseAddress(text.slice(HTTPS.length));
  return address && { ...address, tls: true };
}

/** The one short form that all others of the same address have, so that one address is one instance. */
export function toShortIpv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1);
}

/** The instance id of somebody of whom only the address is known. `0::1` is another way to write `::1`, and fit for a name. */
export function toAddressId({ host, port }: Address): string {
  return `${host.startsWith(':') ? '0' : ''}${host}:${port}`;
}
