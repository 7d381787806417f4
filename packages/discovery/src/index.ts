export type { Source, SourceChange, SourceListener, SourceStatus } from './source.ts';
export { SpecError, type ClosableTransport, type Credentials, type EndpointDefaults } from './spec.ts';
export { openRegistrar, openSource } from './systems.ts';
export { createSource } from './sources/create-source.ts';
export { createRegistryDriver } from './sources/registry.ts';
export { createStaticDriver } from './sources/static.ts';
export { createLastKnown, type KnownState, type LastKnown } from './last-known.ts';
export { type EndpointUpdate, type Registrar, type RegistrarEvent } from './registrar.ts';
export { createRegistry, type Registry, type RegistryOptions } from './registry/registry.ts';
