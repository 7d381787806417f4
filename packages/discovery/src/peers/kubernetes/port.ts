import type { EndpointProtocol } from '@bascule/core';
import { isObject, listAt, numberAt, textAt, type JsonObject } from '../json.ts';

/** Where calls go, on every address of a slice. */
export interface SlicePort {
  readonly number: number;
  /** What the Service says that it speaks; empty when it does not. */
  readonly appProtocol: string;
}

/** What speaks for a port where nobody has named one. */
const GRPC_NAME = /^grpc($|-)/;
const HTTP2_PROTOCOLS: ReadonlySet<string> = new Set(['grpc', 'http2', 'h2c', 'kubernetes.io/h2c']);

/** The port of that name; without a name the only one, or the only one that is for gRPC. Throws, with what there is. */
export function portOf(slice: JsonObject, name: string | undefined): SlicePort {
  const all = listAt(slice, 'ports').filter(isObject).map(read);
  const named = name === undefined ? all : all.filter((port) => port.name === name);
  const [first, ...more] = named.length > 1 ? named.filter(isForGrpc) : named;
  if (first === undefined || more.length > 0) {
    const names = all.map((port) => port.name || port.number).join(', ') || 'none';
    throw new Error(name === undefined ? `which port of ${names}? Say port=` : `no port "${name}" among ${names}`);
  }
  if (!Number.isInteger(first.number)) throw new Error(`port "${first.name}" has no number`);
  return first;
}

/** What calls speak: `appProtocol` where it tells, else as configured. */
export function protocolOf<Protocol extends EndpointProtocol>(
  appProtocol: string,
  configured: Protocol,
): Protocol | 'grpc' | 'grpc-web' | 'grpc-web+http1' | 'connect' | 'connect+http1' {
  if (appProtocol === 'grpc') return 'grpc';
  const [family = '', http1] = configured.split('+');
  if (family !== 'connect' && family !== 'grpc-web') return configured;
  if (http1 !== undefined && HTTP2_PROTOCOLS.has(appProtocol)) return family;
  if (http1 === undefined && appProtocol === 'http') return `${family}+http1`;
  return configured;
}

function read(port: JsonObject): SlicePort & { readonly name: string } {
  return { name: textAt(port, 'name'), number: numberAt(port, 'port'), appProtocol: textAt(port, 'appProtocol') };
}

function isForGrpc({ name, appProtocol }: { name: string; appProtocol: string }): boolean {
  return GRPC_NAME.test(name) || HTTP2_PROTOCOLS.has(appProtocol);
}
