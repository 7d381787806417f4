import type { Socket } from 'node:net';
import type { Body, Clock, PeerCertificate, Reply, RequestHead, Service } from '@bascule/core';
import type { AbuseKind } from './abuse.ts';
import { peerCertificate } from './certificate.ts';
import type { ListenLimits } from './limits.ts';

/**
 * Takes an extended CONNECT (RFC 8441): a stream that carries another protocol's bytes both ways once `reply.head` has
 * said 200. `protocol` is the value of `:protocol`, `head.method` is CONNECT. Undefined: a protocol it does not speak,
 * which is answered with 501. Like a service it must not throw, nor call `reply` before it has returned.
 */
export type ExtendedConnect = (protocol: string, head: RequestHead, reply: Reply) => Body | undefined;

/** What the edges of one listener share. */
export interface Edge {
  readonly service: Service;
  /** Without it extended CONNECT is not announced, and is malformed. */
  readonly connect?: ExtendedConnect | undefined;
  readonly clock: Clock;
  readonly limits: ListenLimits;
  readonly scheme: 'http' | 'https';
  /** Tells what a peer was disconnected or refused for. */
  onAbuse(kind: AbuseKind): void;
  /** Calls whose answer has not left yet, or whose caller has not gone. */
  openCalls: number;
  /** True once the listener closes: last answers say so to their connection. */
  isDraining: boolean;
  /** A call id, unique within the process. */
  nextCallId(): string;
}

let listeners = 0;

/** Makes the shared part. The id's first part differs between processes, so that logs of several can be laid together. */
export function createEdge(
  options: Pick<Edge, 'service' | 'connect' | 'clock' | 'limits' | 'scheme' | 'onAbuse'>,
): Edge {
  const { clock } = options;
  const origin = Math.floor(clock.wallMs() * 1000 + clock.random() * 1000).toString(36);
  const prefix = `${origin}-${(++listeners).toString(36)}-`;
  let calls = 0;
  return { ...options, openCalls: 0, isDraining: false, nextCallId: () => prefix + (++calls).toString(36) };
}

/** The address without port, IPv4 written as IPv4 where the socket listens for both. */
export function peerAddress(socket: { readonly remoteAddress?: string | undefined }): string {
  const address = socket.remoteAddress ?? '';
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** What all calls of a connection say of their caller. */
export function peerOf(socket: Socket): { peer: string; certificate: PeerCertificate | undefined } {
  return { peer: peerAddress(socket), certificate: peerCertificate(socket) };
}
