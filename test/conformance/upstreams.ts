import { HttpVersion, Protocol } from './messages.ts';

/** What a backend behind the gateway speaks, in the words of the gateway's configuration. */
export const UPSTREAMS = {
  'connect+http1': { title: 'Connect h1', protocol: Protocol.connect, httpVersion: HttpVersion.one },
  connect: { title: 'Connect h2', protocol: Protocol.connect, httpVersion: HttpVersion.two },
  grpc: { title: 'gRPC h2', protocol: Protocol.grpc, httpVersion: HttpVersion.two },
  'grpc-web+http1': { title: 'gRPC-Web h1', protocol: Protocol.grpcWeb, httpVersion: HttpVersion.one },
  'grpc-web': { title: 'gRPC-Web h2', protocol: Protocol.grpcWeb, httpVersion: HttpVersion.two },
} as const;

export type Upstream = keyof typeof UPSTREAMS;

/** The upstream of that name. Throws on another. */
export function parseUpstream(name: string | undefined): Upstream {
  if (name !== undefined && Object.hasOwn(UPSTREAMS, name)) return name as Upstream;
  throw new Error(`no upstream "${name}": write one of ${Object.keys(UPSTREAMS).join(', ')}`);
}
