import type { PeerCertificate, RequestHead } from '@bascule/core';
import { createContextKey, createContextValues, type ContextValues } from '@connectrpc/connect';

/** What the connection of a call says of who calls. */
interface Peer {
  /** Address of the socket, without port. */
  readonly address: string;
  readonly certificate: PeerCertificate | undefined;
}

export const PEER = createContextKey<Peer>(
  { address: '', certificate: undefined },
  { description: 'bascule registry: peer of the call' },
);

/** To be given to `createKit` as `contextValues`: without it a registry knows of no certificates and no addresses. */
export function registryContextValues({ call }: RequestHead): ContextValues {
  return createContextValues().set(PEER, { address: call.peer, certificate: call.peerCertificate });
}
