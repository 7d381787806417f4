import { createVirtualClock, endpointKey, type Endpoint } from '@bascule/core';
import { createHealthChecks } from '../../src/health/create-health-checks.ts';
import type { CheckSettings, HealthSettings, LoadLimitSettings, Probes } from '../../src/health/health-checks.ts';
import { createMembership } from '../../src/membership/create-membership.ts';
import type { Joined } from '../../src/membership/membership.ts';

/** How an endpoint answers: undefined passes, an Error fails, `hang` never answers. */
export type Behaviour = undefined | Error | 'hang';

/** A watch that an endpoint has open. */
interface OpenWatch {
  readonly key: string;
  say(why: string | undefined): void;
  end(error: Error): void;
  readonly signal: AbortSignal;
}

export const TCP: CheckSettings = {
  probe: { kind: 'tcp' },
  intervalMs: 10_000,
  jitterPercent: 10,
  timeoutMs: 1_000,
  unhealthyThreshold: 3,
  healthyThreshold: 2,
  maxChecksPerInterval: 1_000,
};
export const WATCH: CheckSettings = { ...TCP, probe: { kind: 'grpc', service: undefined, watch: true } };

/** Checks over a membership, with endpoints and time in the test's hands. */
export function createRig(options: { check?: CheckSettings; loadLimit?: LoadLimitSettings; seed?: number } = {}) {
  const clock = createVirtualClock(options.seed);
  const asked: { key: string; kind: string; atMs: number; detail: unknown }[] = [];
  const behaviours = new Map<string, Behaviour>();
  const watches: OpenWatch[] = [];
  const warnings: string[] = [];
  const emitted: string[] = [];
  let underway = 0;
  let mostUnderway = 0;

  async function answer(endpoint: Endpoint, kind: string, detail: unknown, signal: AbortSignal): Promise<void> {
    asked.push({ key: endpointKey(endpoint), kind, atMs: clock.nowMs(), detail });
    mostUnderway = Math.max(mostUnderway, ++underway);
    try {
      const behaviour = behaviours.get(endpoint.instanceId);
      if (behaviour === 'hang')
        await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      if (behaviour instanceof Error) throw behaviour;
      await Promise.resolve();
    } finally {
      underway--;
    }
  }

  const probes: Probes = {
    tcp: (endpoint, signal) => answer(endpoint, 'tcp', undefined, signal),
    http: (endpoint, probe, signal) => answer(endpoint, 'http', probe, signal),
    grpc: (endpoint, probe, signal) => answer(endpoint, 'grpc', probe, signal),
    async watchGrpc(endpoint, probe, signal) {
      const key = endpointKey(endpoint);
      asked.push({ key, kind: 'watch', atMs: clock.nowMs(), detail: probe.service });
      const behaviour = behaviours.get(endpoint.instanceId);
      if (behaviour instanceof Error) throw behaviour;
      const { promise, reject } = Promise.withResolvers<void>();
      const watch = { key, say: (why: string | undefined) => probe.onStatus(why), end: reject, signal };
      watches.push(watch);
      signal.addEventListener('abort', () => reject(signal.reason));
      await promise.finally(() => watches.splice(watches.indexOf(watch), 1));
    },
  };
  const membership = createMembership({
    clock,
    onChange: (changes) => {
      for (const change of changes) {
        if (change.type === 'remove') emitted.push(`remove ${change.key} ${change.cause}`);
        else emitted.push(`${change.type} ${endpointKey(change.endpoint)} ${change.endpoint.health ?? 'healthy'}`);
      }
    },
    onNews: (keys) => checks.changed(keys),
  });
  const settings = (check: CheckSettings | undefined): HealthSettings => ({
    checkOf: () => check,
    loadLimitOf: () => options.loadLimit,
  });
  const checks = createHealthChecks({
    membership,
    clock,
    probes,
    settings: settings(options.check),
    onWarning: (message) => void warnings.push(message),
  });
  const source: Joined = membership.join({ name: 'consul' });
  source.listener.status({ state: 'connected', sinceMs: 0 });

  /** Lets answers arrive. */
  const settle = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
  return {
    clock,
    membership,
    checks,
    asked,
    behaviours,
    watches,
    warnings,
    settings,
    mostUnderway: () => mostUnderway,
    /** What was told since the last look. */
    emitted: () => emitted.splice(0),
    tell: (...endpoints: Endpoint[]) =>
      source.listener.changes(endpoints.map((endpoint) => ({ type: 'insert', endpoint }))),
    doubt: (key: string) => source.listener.changes([{ type: 'doubt', key, why: 'missing' }]),
    remove: (key: string) => source.listener.changes([{ type: 'remove', key, cause: 'deregistered' }]),
    state: (key: string) => {
      const record = membership.member(key);
      return record === undefined ? 'gone' : [record.endpoint.health ?? 'healthy', record.cause].join(' ').trim();
    },
    /** Moves time in small steps, so that answers arrive in between. */
    async pass(ms: number, stepMs = 50): Promise<void> {
      await settle();
      for (let leftMs = ms; leftMs > 0; leftMs -= stepMs) {
        clock.advance(Math.min(stepMs, leftMs));
        await settle();
      }
    },
  };
}
