import type { Body, Service } from '@bascule/core';
import type { Edge } from '../../listener/edge.ts';

const NO_BODY: Body = { write() {}, end() {}, cancel() {}, grant() {} };

/** An extended CONNECT goes to whoever speaks the other protocol; 501 where nobody does (RFC 8441, 4; RFC 9220, 3). */
export function toTunnel({ connect }: Edge, protocol: string): Service {
  return (head, reply) => {
    const body = connect?.(protocol, head, reply);
    if (body !== undefined) return body;
    reply.head({ status: 501, fields: [] });
    reply.end([]);
    return NO_BODY;
  };
}
