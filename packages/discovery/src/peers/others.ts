import type { EndpointDefaults } from '../spec.ts';

/**
 * An instance id for a record that somebody else wrote. Systems ask for ids that are unique at one place only (a node,
 * an application), so the place is part of it. What an instance id may not hold is written as `:` and its hex digits.
 */
export function toForeignId(place: string, id: string): string {
  return `${encode(place)}@${encode(id)}`;
}

function encode(text: string): string {
  return text.replace(/[^A-Za-z0-9.-]/gu, (character) => `:${(character.codePointAt(0) as number).toString(16)}`);
}

const QUALIFIED_NAME = /^[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+$/;

/** The name that a record is listed under, where that is a service's fully qualified name; `web` is none. */
export function toServices(name: string): { readonly services: readonly string[] } | undefined {
  return QUALIFIED_NAME.test(name) ? { services: [name] } : undefined;
}

/** Spring's gRPC servers register the port of their HTTP server, and tell the one of gRPC beside it. */
const GRPC_PORT = 'gRPC_port';

/** The port to call at, given what a record says of itself. */
export function toPort(port: number, metadata: Readonly<Record<string, string>>, defaults: EndpointDefaults): number {
  const told = Object.hasOwn(metadata, GRPC_PORT) ? (metadata[GRPC_PORT] as string) : '';
  return defaults.protocol === 'grpc' && /^[0-9]{1,5}$/.test(told) ? Number(told) : port;
}
