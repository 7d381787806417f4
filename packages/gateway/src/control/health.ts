import type { Clock, Timer } from '@bascule/core';
import { createHealthChecks, type HealthChecks, type HealthSettings, type Membership } from '@bascule/discovery';
import type { ServiceSettings, Settings } from '../config/settings-types.ts';
import type { DataReport, LoadReport } from '../snapshot.ts';
import { createEndpointProbes } from './probes.ts';

/** Checks of endpoints, and what their answers say of their load. */
export interface Health {
  /** The membership has changed. */
  changed(keys: readonly string[]): void;
  update(settings: Settings): void;
  /** What an endpoint's registry says of its load. */
  reportLoad(key: string, utilization: number): void;
  /** Checks answered so far. */
  counts(): { readonly pass: number; readonly fail: number };
  close(): Promise<void>;
}

export interface HealthOptions {
  readonly membership: Membership;
  readonly clock: Clock;
  readonly settings: Settings;
  /** What every data thread says of itself. */
  collect(): Promise<readonly DataReport[]>;
  onWarning(message: string): void;
}

const LOAD_INTERVAL_MS = 1_000;

export function createHealth(options: HealthOptions): Health {
  const { membership, clock } = options;
  const counts = { pass: 0, fail: 0 };
  const probes = createEndpointProbes({ clock, onResult: (result) => void counts[result]++ });
  const checks = createHealthChecks({
    membership,
    clock,
    probes,
    settings: toHealthSettings(options.settings),
    onWarning: (message) => options.onWarning(message),
  });
  let polling: Timer | undefined;
  let askedMs = clock.nowMs();
  let hasLimit = false;

  function pollSoon(): void {
    if (hasLimit) polling ??= clock.after(LOAD_INTERVAL_MS, () => void poll());
  }

  async function poll(): Promise<void> {
    const lastMs = askedMs;
    askedMs = clock.nowMs();
    // A thread that is about to end does not answer; there will be another second.
    const reports = await options.collect().catch(() => []);
    // From before the last question to after this one: a word may be told twice, but none is missed.
    if (hasLimit) reportLoads(checks, reports, clock.nowMs() - lastMs);
    polling = undefined;
    pollSoon();
  }

  function update(settings: Settings): void {
    hasLimit = Object.values(settings.services).some(({ loadLimit }) => loadLimit !== undefined);
    pollSoon();
  }
  update(options.settings);

  return {
    changed: (keys) => checks.changed(keys),
    update(settings) {
      checks.update(toHealthSettings(settings));
      update(settings);
    },
    reportLoad(key, utilization) {
      checks.reportLoad(key, { applicationUtilization: utilization, cpuUtilization: 0 });
    },
    counts: () => counts,
    async close() {
      hasLimit = false;
      polling?.cancel();
      await checks.close();
    },
  };
}

/** Tells the newest word of each endpoint over all threads, unless it is older than the last look. */
function reportLoads(checks: HealthChecks, reports: readonly DataReport[], sinceLastMs: number): void {
  const newest = new Map<string, LoadReport>();
  for (const { key, load } of reports.flatMap(({ members }) => members)) {
    if (load === undefined || load.ageMs > sinceLastMs) continue;
    const known = newest.get(key);
    if (known === undefined || load.ageMs < known.ageMs) newest.set(key, load);
  }
  for (const [key, { applicationUtilization, cpuUtilization }] of newest) {
    checks.reportLoad(key, { applicationUtilization, cpuUtilization });
  }
}

/** What holds for a service: its own settings, or those of "*", which are all the others'. */
export function toHealthSettings({ services, discovery }: Settings): HealthSettings {
  // A service may be called "constructor".
  const of = (service: string): ServiceSettings | undefined =>
    services[Object.hasOwn(services, service) ? service : '*'];
  return {
    checkOf: (service) => of(service)?.healthCheck ?? discovery.healthCheck,
    loadLimitOf: (service) => of(service)?.loadLimit,
  };
}
