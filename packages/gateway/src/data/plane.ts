import type { MessagePort } from 'node:worker_threads';
import { createLinks, createLoads, createPick, type EndpointLoad } from '@bascule/client';
import { type Clock, type RequestHead, type Service, type ServiceLimits } from '@bascule/core';
import { createLocalLimits, createMetrics, formatAccessLine, type CallRecord, type Observer } from '@bascule/layers';
import type { AbuseKind } from '@bascule/wire';
import type { DataReport, Policies, SnapshotUpdate } from '../snapshot.ts';
import { createAccessLog, type AccessLog } from './access-log.ts';
import { createBudgets } from './budgets.ts';
import { createClusters } from './clusters.ts';
import { createTranscoding } from './json/transcoding.ts';
import { notFound } from './not-found.ts';
import { createRouteTable, type RouteTable } from './route.ts';
import { createStack } from './stack.ts';
import { createIdentity } from './identity.ts';
import { createSharedLimits } from './limits/shared-limits.ts';
import { createTreatment } from './treatment.ts';
import { createStaticFiles } from './static-files.ts';

/** Everything one data thread has, apart from its listener. */
export interface DataPlane {
  /** What the listener calls; always the stack of the newest snapshot. */
  readonly service: Service;
  apply(snapshot: SnapshotUpdate, ports: ReadonlyMap<string, MessagePort>): void;
  report(openCalls: number): DataReport;
  /** What endpoints have said of their load since `withinMs` ago. */
  loads(withinMs: number): EndpointLoad[];
  /** Pages of which other origins may call, by the newest snapshot. */
  cors(): Policies['cors'] | undefined;
  /** Counts what a peer was disconnected or refused for. */
  countAbuse(kind: AbuseKind): void;
  close(): Promise<void>;
}

/** Over all services; each has a limit of its own. */
const MAX_PENDING = 10_000;

/** Of a cluster that has gone between the route and its limits. */
const NO_LIMITS: ServiceLimits = { maxCalls: Infinity, maxPending: Infinity };

const NO_TABLE: RouteTable = createRouteTable([]);

export function createDataPlane(clock: Clock): DataPlane {
  const metrics = createMetrics();
  metrics.describe(
    'bascule_shared_limits_up',
    'Data threads whose shared limits Redis counts; the others count for themselves.',
  );
  metrics.describe('bascule_peer_abuse_total', 'Peers disconnected, or streams refused, by what they did.');
  let table = NO_TABLE;
  let revision = 0;
  let policies: Policies | undefined;
  let log: AccessLog = createAccessLog('off', clock);
  let stack: Service = notFound;

  const loads = createLoads(clock);
  const links = createLinks({
    clock,
    onRetired(key) {
      metrics.retireEndpoint(key);
      loads.retire(key);
    },
  });
  const limitsOf = ({ path }: RequestHead): ServiceLimits => table.find(path)?.cluster.limits ?? NO_LIMITS;
  const transcoding = createTranscoding({ clock });
  const clusters = createClusters({
    clock,
    links,
    loads,
    transcoding,
    onReady: (service) => pick.wake(service),
  });
  const pick = createPick({
    clock,
    findBalancer: (service) => clusters.find(service),
    connectTimeoutMs: () => 1_000,
    maxPending: () => MAX_PENDING,
    limitsOf,
  });
  const budgets = createBudgets(clock);
  const localLimits = createLocalLimits({ clock });
  const sharedLimits = createSharedLimits({
    clock,
    local: localLimits,
    onChange: (state) => metrics.setGauge('bascule_shared_limits_up', {}, state === 'up' ? 1 : 0),
  });
  const treatment = createTreatment({
    clock,
    metrics,
    budgets,
    limitsOf,
    localLimits,
    sharedLimits,
    pick: pick.service,
  });

  const observer: Observer = {
    started: (head: RequestHead) => metrics.started(head),
    ended(record: CallRecord, head: RequestHead, ticket: number) {
      metrics.ended(record, head, ticket);
      log.write(`${formatAccessLine(record)}\n`);
    },
  };

  function applyPolicies(next: Policies): void {
    if (policies?.revision === next.revision) return;
    if (policies?.accessLog !== next.accessLog) {
      void log.close();
      log = createAccessLog(next.accessLog, clock);
    }
    policies = next;
    sharedLimits.configure(next.sharedLimits);
    stack = createStack({
      clock,
      policies: next,
      observer,
      identify: next.identity && createIdentity(next.identity, clock),
      treatment,
      table: () => table,
      other: next.staticDir === undefined ? notFound : createStaticFiles(next.staticDir, notFound),
      pick: pick.service,
    });
  }

  return {
    service: (head, reply) => stack(head, reply),
    apply(snapshot, ports) {
      for (const [key, port] of ports) links.offerPort(key, port);
      transcoding.apply(snapshot.schemas, snapshot.policies.maxMessageBytes);
      clusters.apply(snapshot.clusters);
      table = createRouteTable(snapshot.clusters);
      budgets.apply(snapshot.clusters, snapshot.policies.retryBudget);
      revision = snapshot.revision;
      applyPolicies(snapshot.policies);
      pick.wake();
    },
    cors: () => policies?.cors,
    report: (openCalls) => ({ metrics: metrics.snapshot(), members: clusters.members(), openCalls, revision }),
    loads: (withinMs) => loads.recent(withinMs),
    countAbuse: (kind) => metrics.incCounter('bascule_peer_abuse_total', { kind }),
    async close() {
      await clusters.close();
      await transcoding.close();
      links.destroy();
      sharedLimits.close();
      await log.close();
    },
  };
}
