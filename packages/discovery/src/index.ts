export type { Source, SourceListener, SourceStatus } from './source.ts';
export { createRegistrySource, type RegistrySourceOptions } from './sources/registry-source.ts';
export { createStaticSource } from './sources/static.ts';
export { createLastKnown, type KnownState, type LastKnown } from './last-known.ts';
export { createRegistrar, type Registrar, type RegistrarEvent, type RegistrarOptions } from './registrar.ts';
export { createRegistry, type Registry, type RegistryOptions } from './registry/registry.ts';
