import { Code, ConnectError } from '@connectrpc/connect';

/** What a base URL says about the connection. */
export interface Target {
  readonly scheme: 'http' | 'https';
  readonly host: string;
  readonly port: number;
  /** As callers write it: without the scheme's own port. Empty where each endpoint is called by its own address. */
  readonly authority: string;
}

/** Stands for a base URL where endpoints are called by their own addresses: what interceptors see. */
export const ANY_ENDPOINT = 'http://any.endpoint.invalid';

/** Throws ConnectError when `baseUrl` is no absolute http or https URL. */
export function parseTarget(baseUrl: string): Target {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    const message = `baseUrl ${JSON.stringify(baseUrl)} is no base URL; write it like http://127.0.0.1:8080`;
    throw new ConnectError(message, Code.Internal);
  }
  if (url.username !== '' || url.password !== '') {
    throw new ConnectError('baseUrl holds credentials; send them as a header, by an interceptor', Code.Internal);
  }
  const scheme = url.protocol === 'https:' ? 'https' : 'http';
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? (scheme === 'https' ? 443 : 80) : Number(url.port),
    authority: baseUrl === ANY_ENDPOINT ? '' : url.host,
  };
}
