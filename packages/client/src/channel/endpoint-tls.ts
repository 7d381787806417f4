import type { Endpoint } from '@bascule/core';
import type { LinkTls } from '@bascule/wire';

/** How endpoints are reached over TLS. */
export interface EndpointTls {
  /** Endpoints are reached in the same way by all that have the same name: they share links. */
  readonly name: string;
  /** Whether those are too that do not say that they speak TLS. */
  readonly required: boolean;
  /** What new connections take. The same object as long as nothing has changed. */
  current(): LinkTls;
}

/** Of an endpoint that speaks TLS, where nobody has said more. */
const BY_DEFAULT: EndpointTls = { name: 'default', required: false, current: () => NOTHING };
const NOTHING: LinkTls = {};

/** How one endpoint is reached over TLS; undefined is in the clear. What requires TLS does so whatever it says of itself. */
export function tlsOfEndpoint({ tls, protocol }: Endpoint, set: EndpointTls | undefined): EndpointTls | undefined {
  if (protocol === 'port') return undefined;
  return tls === true || set?.required === true ? (set ?? BY_DEFAULT) : undefined;
}
