import type { Clock, Timer } from '@bascule/core';
import { createHealthChecks, type HealthChecks, type HealthSettings, type Membership } from '@bascule/discovery';
import type { Settings } from '../config/settings-types.ts';
import type { EndpointLoad } from '@bascule/client';
import { ownSettings } from './own-settings.ts';
import { createCountedProbes } from './probes.ts';
import { tlsOfMember } from './upstream-tls.ts';

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
  /** What endpoints have told the data threads of their load since `withinMs` ago. */
  loads(withinMs: number): Promise<readonly EndpointLoad[]>;
  onWarning(message: string): void;
}

const LOAD_INTERVAL_MS = 1_000;
/** A question may be longer on its way than the one before. */
const OVERLAP_MS = 250;

export function createHealth(options: HealthOptions): Health {
  const { membership, clock } = options;
  const counts = { pass: 0, fail: 0 };
  let { settings } = options;
  const probes = createCountedProbes({
    clock,
    tlsOf: (endpoint) => tlsOfMember(endpoint, settings),
    onResult: (result) => void counts[result]++,
  });
  const checks = createHealthChecks({
    membership,
    clock,
    probes,
    settings: toHealthSettings(settings),
    onWarning: (message) => options.onWarning(message),
  });
  let polling: Timer | undefined;
  let askedMs = clock.nowMs();
  let hasLimit = false;

  function pollSoon(): void {
    if (hasLimit) polling ??= clock.after(LOAD_INTERVAL_MS, () => void poll());
  }

  async function poll(): Promise<void> {
    // From before the last question: a word may be told twice, but none is missed.
    const withinMs = clock.nowMs() - askedMs + OVERLAP_MS;
    askedMs = clock.nowMs();
    // A thread that is about to end does not answer; there will be another second.
    const reports = await options.loads(withinMs).catch(() => []);
    if (hasLimit) reportLoads(checks, reports);
    polling = undefined;
    pollSoon();
  }

  function update(next: Settings): void {
    settings = next;
    const hadLimit = hasLimit;
    hasLimit = Object.values(settings.services).some(({ loadLimit }) => loadLimit !== undefined);
    // What was said before there was a limit is old.
    if (!hadLimit) askedMs = clock.nowMs();
    pollSoon();
  }
  update(settings);

  return {
    changed: (keys) => checks.changed(keys),
    update(next) {
      update(next);
      checks.update(toHealthSettings(next));
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

/** Tells the newest word of each endpoint over all threads. */
function reportLoads(checks: HealthChecks, reports: readonly EndpointLoad[]): void {
  const newest = new Map<string, EndpointLoad>();
  for (const report of reports) {
    const known = newest.get(report.key);
    if (known === undefined || report.ageMs < known.ageMs) newest.set(report.key, report);
  }
  for (const [key, { applicationUtilization, cpuUtilization }] of newest) {
    checks.reportLoad(key, { applicationUtilization, cpuUtilization });
  }
}

/** What holds for a service: its own settings over those of "*". */
export function toHealthSettings({ services, discovery }: Settings): HealthSettings {
  const general = services['*'];
  return {
    checkOf: (service) => ownSettings(services, service)?.healthCheck ?? general?.healthCheck ?? discovery.healthCheck,
    loadLimitOf: (service) => ownSettings(services, service)?.loadLimit ?? general?.loadLimit,
  };
}
