/** What has happened since the start; only grow. */
export interface RegistryCounters {
  readonly registrations: number;
  readonly renewals: number;
  /** Asked for, or replaced. */
  readonly deregistrations: number;
  readonly expirations: number;
  /** Calls that were refused for want of rights, and registrations for any reason. */
  readonly refusals: number;
  /** How often the process did not run for a while. */
  readonly sleeps: number;
  /** How often self-preservation began. */
  readonly holds: number;
}

/** How a registry stands. */
export interface RegistryStatus extends RegistryCounters {
  /** Differs with each start. */
  readonly epoch: bigint;
  readonly revision: number;
  /** Everybody may do everything. */
  readonly isOpen: boolean;
  readonly instances: number;
  readonly namespaces: number;
  /** Open watches and keep-alives. */
  readonly streams: number;
  /** `holding`: so many have fallen silent that nobody is expired. */
  readonly preservation: 'off' | 'holding';
  /** Instances that are shown only because of that. */
  readonly held: number;
  readonly historyEvents: number;
  readonly historyBytes: number;
  readonly schemaBytes: number;
}

const METRICS: readonly [keyof RegistryStatus, 'gauge' | 'counter', string, string][] = [
  ['instances', 'gauge', 'instances', 'Instances that are registered.'],
  ['namespaces', 'gauge', 'namespaces', 'Namespaces in which somebody is registered or watches.'],
  ['streams', 'gauge', 'streams', 'Open watches and keep-alives.'],
  ['held', 'gauge', 'held_instances', 'Instances that only self-preservation keeps.'],
  ['historyBytes', 'gauge', 'history_bytes', 'Bytes of changes kept for watches that resume.'],
  ['schemaBytes', 'gauge', 'schema_bytes', 'Bytes of descriptors.'],
  ['registrations', 'counter', 'registrations_total', 'Instances that came.'],
  ['renewals', 'counter', 'renewals_total', 'Leases renewed.'],
  ['deregistrations', 'counter', 'deregistrations_total', 'Instances that left or were replaced.'],
  ['expirations', 'counter', 'expirations_total', 'Leases that ended for want of renewal.'],
  ['refusals', 'counter', 'refusals_total', 'Calls refused for want of rights, and registrations for any reason.'],
  ['sleeps', 'counter', 'sleeps_total', 'Times that the process did not run for a while.'],
  ['holds', 'counter', 'holds_total', 'Times that self-preservation began.'],
];

/** Prometheus's text form, names beginning with `bascule_registry_`. */
export function renderRegistryMetrics(status: RegistryStatus): string {
  const lines = METRICS.flatMap(([field, type, name, help]) => [
    `# HELP bascule_registry_${name} ${help}`,
    `# TYPE bascule_registry_${name} ${type}`,
    `bascule_registry_${name} ${Number(status[field])}`,
  ]);
  const isHolding = status.preservation === 'holding' ? 1 : 0;
  return [
    ...lines,
    '# HELP bascule_registry_self_preservation 1 while nobody is expired since too many have fallen silent.',
    '# TYPE bascule_registry_self_preservation gauge',
    `bascule_registry_self_preservation ${isHolding}`,
    '',
  ].join('\n');
}
