import type { Clock } from '@bascule/core';
import type { Metrics } from '@bascule/layers';
import type { Discovery } from './discovery.ts';

const HELP: Readonly<Record<string, string>> = {
  bascule_discovery_stale_seconds: 'Longest time that any source has not been connected; 0 when all are.',
  bascule_discovery_source_connected: '1 while the source is connected, 0 otherwise.',
  bascule_discovery_source_stale_seconds: 'Seconds since the source was last connected; 0 while it is.',
  bascule_discovery_endpoints: 'Endpoints that the source tells, or told last.',
  bascule_discovery_conflicts_total: 'Times that two sources began to contradict each other about an endpoint.',
  bascule_discovery_removals_total: 'Endpoints that left, by cause.',
  bascule_health_checks_total: 'Checks of endpoints, by result.',
};

/** Adds what control knows of discovery. */
export function addDiscoveryMetrics(metrics: Metrics, discovery: Discovery, clock: Clock): void {
  for (const [name, help] of Object.entries(HELP)) metrics.describe(name, help);
  metrics.setGauge('bascule_discovery_stale_seconds', {}, discovery.staleSeconds());
  for (const { name: source, status, endpoints } of discovery.sources()) {
    const isConnected = status.state === 'connected';
    const staleMs = isConnected ? 0 : Math.max(0, clock.wallMs() - status.sinceMs);
    metrics.setGauge('bascule_discovery_source_connected', { source }, isConnected ? 1 : 0);
    metrics.setGauge('bascule_discovery_source_stale_seconds', { source }, staleMs / 1000);
    metrics.setGauge('bascule_discovery_endpoints', { source }, endpoints);
  }
  const { conflicts, removals, checks } = discovery.counters();
  metrics.incCounter('bascule_discovery_conflicts_total', {}, conflicts);
  for (const [cause, count] of removals) metrics.incCounter('bascule_discovery_removals_total', { cause }, count);
  for (const [result, count] of Object.entries(checks)) {
    metrics.incCounter('bascule_health_checks_total', { result }, count);
  }
}
