import { DEFAULT_OUTLIER, createBalancer, resolveBalancing, type Balancer, type PolicySpec } from '@bascule/balancer';
import {
  Code,
  OK_OUTCOME,
  createCallContext,
  createRandom,
  endpointKey,
  type Endpoint,
  type Link,
  type Outcome,
  type RequestHead,
} from '@bascule/core';
import { percentileOf } from '../statistics.ts';
import { createEventClock, type EventClock } from './event-clock.ts';
import { SimulatedServer, exponential, type Answer, type Job, type ServerKind } from './server.ts';

export interface Scenario {
  readonly servers: readonly ServerKind[];
  /** They know nothing of each other. */
  readonly gateways: number;
  /** Mean over bursts and the time between. */
  readonly callsPerSecond: number;
  readonly bursts: { readonly factor: number; readonly meanMs: number; readonly betweenMs: number };
  /** Calls that are not answered by then have failed. */
  readonly deadlineMs: number;
  readonly durationMs: number;
  /** Calls of this time at the start do not count. */
  readonly warmUpMs: number;
}

/** How calls went. Failed ones count with their time, those beyond their deadline with the deadline. */
export interface Result {
  readonly calls: number;
  readonly failedShare: number;
  /** Of which beyond their deadline. */
  readonly lateShare: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
}

const FAILED: Outcome = { code: Code.unavailable, by: 'callee', message: 'simulated' };
const LATE: Outcome = { code: Code.deadlineExceeded, by: 'wire', message: 'simulated' };

/** Runs calls over real balancers, in virtual time. `spec` undefined: who sees all servers chooses. */
export function simulate(scenario: Scenario, spec: PolicySpec | undefined, seed: number): Result {
  const clock = createEventClock(seed);
  // Servers and arrivals have chances of their own, so that all policies meet the same.
  const servers = scenario.servers.map((kind, i) => new SimulatedServer(kind, clock, createRandom(seed * 1_000 + i)));
  const gateways =
    spec === undefined ? [] : Array.from({ length: scenario.gateways }, () => createGateway(spec, clock, servers));
  const chance = createRandom(seed + 8);
  const latencies: number[] = [];
  let failed = 0;
  let late = 0;

  function call(gateway: Gateway | undefined, counts: boolean): void {
    const startedMs = clock.nowMs();
    const lent = gateway?.lend() ?? lendBest(servers, chance);
    const end = (outcome: Outcome): void => {
      job.isOver = true;
      lent.release(outcome);
      if (!counts) return;
      latencies.push(clock.nowMs() - startedMs);
      if (outcome !== OK_OUTCOME) failed++;
      if (outcome === LATE) late++;
    };
    const timer = clock.after(scenario.deadlineMs, () => end(LATE));
    const job: Job = {
      isOver: false,
      onAnswer(answer) {
        timer.cancel();
        lent.report(answer);
        end(answer.ok ? OK_OUTCOME : FAILED);
      },
    };
    lent.server.call(job);
  }

  const random = createRandom(seed + 7);
  arrive(scenario, clock, random, () => {
    call(gateways[Math.floor(random() * gateways.length)], clock.nowMs() >= scenario.warmUpMs);
  });
  clock.runUntil(scenario.durationMs + scenario.deadlineMs);
  const sorted = Float64Array.from(latencies).sort();
  return {
    calls: sorted.length,
    failedShare: failed / sorted.length,
    lateShare: late / sorted.length,
    p50Ms: percentileOf(sorted, 0.5),
    p99Ms: percentileOf(sorted, 0.99),
    p999Ms: percentileOf(sorted, 0.999),
  };
}

/** Poisson, at two rates in turn. */
function arrive(scenario: Scenario, clock: EventClock, random: () => number, onCall: () => void): void {
  const { factor, meanMs, betweenMs } = scenario.bursts;
  const calmPerMs = (scenario.callsPerSecond / 1_000) * ((meanMs + betweenMs) / (factor * meanMs + betweenMs));
  let isBurst = false;
  let turnsMs = exponential(random, betweenMs);
  const next = (): void => {
    if (clock.nowMs() >= scenario.durationMs) return;
    while (clock.nowMs() >= turnsMs) {
      isBurst = !isBurst;
      turnsMs += exponential(random, isBurst ? meanMs : betweenMs);
    }
    const perMs = isBurst ? calmPerMs * factor : calmPerMs;
    clock.after(exponential(random, 1 / perMs), () => {
      onCall();
      next();
    });
  };
  next();
}

interface Lent {
  readonly server: SimulatedServer;
  release(outcome: Outcome): void;
  report(answer: Answer): void;
}

interface Gateway {
  lend(): Lent | undefined;
}

function createGateway(spec: PolicySpec, clock: EventClock, servers: readonly SimulatedServer[]): Gateway {
  // Ejection off: it would hide what a policy does with a server that answers too late.
  const outlier = { ...DEFAULT_OUTLIER, consecutiveFailures: 0 };
  const balancer: Balancer = createBalancer({
    balancing: resolveBalancing({ policy: spec, outlier }),
    clock,
    connect: () => READY_LINK,
  });
  balancer.apply(servers.map((_, i) => ({ type: 'insert', endpoint: endpointOf(i) })));
  // Tables are built in steps of the clock.
  clock.runUntil(clock.nowMs());
  const keys = servers.map((_, i) => endpointKey(endpointOf(i)));
  return {
    lend() {
      const lease = balancer.pick(headAt(clock.nowMs()));
      if (lease === undefined) return undefined;
      const i = lease.endpoint.port;
      return {
        server: servers[i] as SimulatedServer,
        release: (outcome) => lease.release(outcome),
        // What came before a server knew anything of itself.
        report: (answer) => void (answer.qps > 0 && balancer.report(keys[i] as string, answer)),
      };
    },
  };
}

/**
 * The theoretical best for latency: it sees every queue and every stall, and knows what each server takes. Among equals
 * chance decides, or the failing one would get what its place in the list says.
 */
function lendBest(servers: readonly SimulatedServer[], random: () => number): Lent {
  const from = Math.floor(random() * servers.length);
  let best = servers[from] as SimulatedServer;
  for (let i = 1; i < servers.length; i++) {
    const server = servers[(from + i) % servers.length] as SimulatedServer;
    if (server.expectedMs() < best.expectedMs()) best = server;
  }
  return { server: best, release: () => undefined, report: () => undefined };
}

const READY_LINK: Link = {
  service: () => {
    throw new Error('nothing is sent in a simulation');
  },
  isReady: () => true,
  onReadyChange: () => undefined,
  close: () => Promise.resolve(),
  destroy: () => undefined,
};

function endpointOf(i: number): Endpoint {
  return {
    instanceId: `server-${i}`,
    incarnation: 1,
    host: '127.0.0.1',
    port: i,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: 1,
    priority: 0,
    zone: '',
    services: ['bench.v1.Simulated'],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
  };
}

const METHOD = { service: 'bench.v1.Simulated', method: 'Do', kind: 'unary', idempotency: 'unknown' } as const;

function headAt(nowMs: number): RequestHead {
  const call = createCallContext('', nowMs, '127.0.0.1');
  call.method = METHOD;
  call.cluster = METHOD.service;
  return { method: 'POST', path: '/bench.v1.Simulated/Do', authority: '', scheme: 'http', fields: [], call };
}
