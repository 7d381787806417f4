import { Protocol } from './messages.ts';

/** What a caller of the gateway speaks. `feature` is its name in the suite's configuration. */
export const CALLERS = {
  connect: { title: 'Connect', protocol: Protocol.connect, feature: 'PROTOCOL_CONNECT' },
  grpc: { title: 'gRPC', protocol: Protocol.grpc, feature: 'PROTOCOL_GRPC' },
  'grpc-web': { title: 'gRPC-Web', protocol: Protocol.grpcWeb, feature: 'PROTOCOL_GRPC_WEB' },
} as const;

export type Caller = keyof typeof CALLERS;

/** The caller of that name. Throws on another. */
export function parseCaller(name: string | undefined): Caller {
  if (name !== undefined && Object.hasOwn(CALLERS, name)) return name as Caller;
  throw new Error(`no caller "${name}": write one of ${Object.keys(CALLERS).join(', ')}`);
}

/**
 * Whether our own transport calls, and not connect-go's client. That one takes a body that stops inside a message for
 * its own fault (invalid_argument), also without a gateway, where the suite asks for internal or unknown. Bodies stop so
 * in Connect's streams, and in gRPC-Web's only where the gateway translates: that suite has no such case of its own.
 * `protocol` is the backend's.
 */
export function isCalledByNode(caller: Caller, protocol: number): boolean {
  return caller === 'connect' || (caller === 'grpc-web' && protocol !== Protocol.grpcWeb);
}
