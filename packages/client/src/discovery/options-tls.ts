import { isIP } from 'node:net';
import type { LinkTls, LinkTlsSource } from '@bascule/wire';
import type { EndpointTls } from '../channel/endpoint-tls.ts';
import type { NodeTransportOptions } from '../options.ts';
import type { Target } from '../target.ts';

/**
 * The base URL's name is the one that all endpoints answer to, whatever their addresses. Who says how to speak TLS, and
 * not to whom, means all of them.
 */
export function tlsOfOptions(
  { baseUrl, tls: given }: NodeTransportOptions,
  { scheme, host }: Target,
): EndpointTls | undefined {
  const required = scheme === 'https' || (baseUrl === undefined && given !== undefined);
  if (!required && given === undefined) return undefined;
  const source = withName(given ?? {}, scheme === 'https' && isIP(host) === 0 ? host : undefined);
  return { name: 'options', required, current: typeof source === 'function' ? source : () => source };
}

/** The same with that name where it has none. */
function withName(source: LinkTlsSource, servername: string | undefined): LinkTlsSource {
  if (servername === undefined) return source;
  if (typeof source !== 'function') return { servername, ...source };
  let before: LinkTls | undefined;
  let named: LinkTls = {};
  return () => {
    const next = source();
    if (next !== before) named = { servername, ...next };
    before = next;
    return named;
  };
}
