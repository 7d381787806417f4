export type { Source, SourceChange, SourceListener, SourceStatus } from './source.ts';
export { SpecError, type ClosableTransport, type Credentials, type EndpointDefaults } from './spec.ts';
export { openSource } from './systems.ts';
export { parseSystemUrl } from './peers/hosts.ts';
export { registerWithAll, type RegistrySystem } from './register-with-all.ts';
export { createSource } from './sources/create-source.ts';
export { createRegistryDriver } from './sources/registry.ts';
export { createStaticDriver } from './sources/static.ts';
export { createLastKnown, type KnownState, type LastKnown, type LoadedState } from './last-known.ts';
export { type EndpointUpdate, type Registrar, type RegistrarEvent } from './registrar.ts';
export { createRegistry, type Registry, type RegistryOptions } from './registry/registry.ts';
export { renderRegistryMetrics, type RegistryStatus } from './registry/status.ts';
export { registryContextValues } from './registry/caller.ts';
export type { Access } from './registry/access/access.ts';
export { anyAccess } from './registry/access/any-access.ts';
export { signRegistryToken } from './registry/access/sign-token.ts';
export { formatAuditLine } from './registry/access/audit.ts';
export { requireGuarded } from './registry/access/exposure.ts';
export { loadAccess } from './registry/access/load-access.ts';
export { createTokenAccess } from './registry/access/static-tokens.ts';
export { createMembership } from './membership/create-membership.ts';
export type { Joined, MemberRecord, Membership, RemovalRecord, SourceRecord } from './membership/membership.ts';
export {
  UnimplementedProbe,
  type CheckSettings,
  type HealthChecks,
  type HealthSettings,
  type LoadLimitSettings,
  type Probes,
} from './health/health-checks.ts';
export { createHealthChecks } from './health/create-health-checks.ts';
export { createProbes, type ProbeTls } from './health/probes.ts';
export { toAddressId } from './peers/address.ts';
export { createBackoff, waitFor, type Backoff } from './waiting.ts';
