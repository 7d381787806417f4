import { SpecError } from '../spec.ts';
import { pathOf } from './hosts.ts';

/** Where an embedded registry is, and which of its namespaces is meant; empty is "default". */
export interface RegistryUrl {
  readonly origin: string;
  readonly namespace: string;
}

/** Reads `http://host:port/namespace`. Throws SpecError. */
export function readRegistryUrl(url: URL): RegistryUrl {
  if (url.search !== '' || url.hash !== '') throw new SpecError(`${url.href} has more than a namespace as its path`);
  return { origin: url.origin, namespace: pathOf(url).replace(/^\/|\/$/g, '') };
}
