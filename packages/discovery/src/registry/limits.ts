/** What one registry holds. Whoever asks for more gets `resource_exhausted`, in words; what is there stays. */
export interface RegistryLimits {
  /** Instances of all namespaces. Default 100,000. */
  readonly maxInstances: number;
  /** Instances of one service in one namespace. Default 10,000. */
  readonly maxInstancesPerService: number;
  /** Instances that one principal registers. Default 1,000; does not hold for the operator, nor while the registry is open. */
  readonly maxInstancesPerPrincipal: number;
  /** Namespaces in which somebody is registered or watches. Default 1,000. */
  readonly maxNamespaces: number;
  /** Open watches and keep-alives. Default 20,000. */
  readonly maxStreams: number;
  /** Open watches and keep-alives of one principal. Default 1,000; does not hold for the operator, nor while the registry is open. */
  readonly maxStreamsPerPrincipal: number;
  /** Bytes of all descriptors. Default 64 MiB. */
  readonly maxSchemaBytes: number;
  /** Bytes of descriptors that one principal brought. Default 16 MiB; does not hold for the operator, nor while the registry is open. */
  readonly maxSchemaBytesPerPrincipal: number;
  /** Changes kept for watches that resume, of all namespaces. Default 65,536. */
  readonly historyEvents: number;
  /** Their bytes. Default 16 MiB. */
  readonly historyBytes: number;
}

export const DEFAULT_REGISTRY_LIMITS: RegistryLimits = Object.freeze({
  maxInstances: 100_000,
  maxInstancesPerService: 10_000,
  maxInstancesPerPrincipal: 1_000,
  maxNamespaces: 1_000,
  maxStreams: 20_000,
  maxStreamsPerPrincipal: 1_000,
  maxSchemaBytes: 64 * 1024 * 1024,
  maxSchemaBytesPerPrincipal: 16 * 1024 * 1024,
  historyEvents: 65_536,
  historyBytes: 16 * 1024 * 1024,
});
