import type { RequestHead } from '@bascule/core';
import { CallMetrics } from './call-metrics.ts';
import { NamedMetrics, type Labels } from './named-metrics.ts';
import type { FamilySnapshot, MetricsSnapshot } from './metrics-snapshot.ts';
import type { Observer } from './observe.ts';
import { Roster } from './roster.ts';

/** Counts of one thread. An Observer, so that it stands in the observe layer as it is. */
export interface Metrics extends Observer {
  /** Sets a level. `name` with unit, as in `bascule_discovery_staleness_seconds`. */
  setGauge(name: string, labels: Labels, value: number): void;
  /** Adds to a count; `by` is 1 if left out. `name` ends in `_total`. */
  incCounter(name: string, labels: Labels, by?: number): void;
  /** Text for HELP; without it the name stands there. */
  describe(name: string, help: string): void;
  /** Takes out the series of an endpoint that no other incarnation of its instance uses. `key` is its `endpointKey`. */
  retireEndpoint(key: string): void;
  /** Takes out the series with this `module_version`. For when no module has this version any more. */
  retireVersion(moduleVersion: string): void;
  snapshot(): MetricsSnapshot;
}

/** Makes empty metrics. */
export function createMetrics(): Metrics {
  const open = new Roster<RequestHead>();
  /** Calls that were open when an endpoint retired: they may be its last word. */
  const outlived = new WeakSet<RequestHead>();
  const calls = new CallMetrics();
  const named = new NamedMetrics();
  return {
    started: (head) => open.add(head),
    ended(record, head, ticket) {
      open.remove(ticket);
      calls.count(record, outlived.has(head));
    },
    setGauge: (name, labels, value) => named.set(name, labels, value),
    incCounter: (name, labels, by = 1) => named.add(name, labels, by),
    describe: (name, help) => named.describe(name, help),
    retireEndpoint(key) {
      for (const head of open.present()) outlived.add(head);
      calls.retireEndpoint(key);
      named.retire('endpoint', key.slice(0, key.lastIndexOf('#')));
    },
    retireVersion(moduleVersion) {
      calls.retireVersion(moduleVersion);
      named.retire('module_version', moduleVersion);
    },
    snapshot: () => ({ families: [...calls.snapshot(), openCalls(open.present()), ...named.snapshot()] }),
  };
}

/** Counted when asked: what a call is becomes known only on its way, after it was started. */
function openCalls(open: readonly RequestHead[]): FamilySnapshot {
  const series = new Map<string, { labels: string[]; value: number }>();
  for (const { call } of open) {
    const { service = 'unknown', method = 'unknown', kind = 'unknown' } = call.method ?? {};
    const labels = [service, method, kind, call.dialect];
    const key = JSON.stringify(labels);
    const one = series.get(key);
    if (one === undefined) series.set(key, { labels, value: 1 });
    else one.value++;
  }
  return {
    name: 'bascule_open_calls',
    help: 'Calls and streams that are open now.',
    type: 'gauge',
    labelNames: ['service', 'method', 'kind', 'dialect'],
    series: [...series.values()],
  };
}
