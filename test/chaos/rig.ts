import { resolveBalancing } from '@bascule/balancer';
import { MessageChannel } from 'node:worker_threads';
import { systemClock, type Clock, type Endpoint, type MethodFacts, type Service } from '@bascule/core';
import { createDataPlane, type DataPlane } from '../../packages/gateway/src/data/plane.ts';
import type { DataReport, Policies } from '../../packages/gateway/src/snapshot.ts';
import { listen, servePort, type Listener } from '@bascule/wire';
import { ChaosService } from './schema.ts';

/** A gateway's data side in this process, over real sockets, with its endpoints in the test's hand. */
export interface Rig {
  readonly port: number;
  readonly listener: Listener;
  /** Calls by the first terminal event that the stack said or heard. */
  readonly tally: { started: number; ended: number; failed: number; cancelled: number };
  /** Timers of the gateway that have neither run nor been cancelled. */
  pendingTimers(): number;
  report(): DataReport;
  apply(endpoints: readonly Endpoint[]): void;
  /** Adds the endpoint of a module version behind a port; `end` is the death of its worker. */
  openModule(service: Service, incarnation: number): { readonly endpoint: Endpoint; end(): void };
  close(): Promise<void>;
}

const POLICIES: Policies = {
  revision: 1,
  maxMessageBytes: 4 * 1024 * 1024,
  defaultTimeoutMs: 2_000,
  maxTimeoutMs: 5_000,
  retryBudget: { percent: 20, reservePerSecond: 10, windowMs: 10_000 },
  explain: 'off',
  operatorTokenDigest: '',
  identity: undefined,
  sharedLimits: undefined,
  cors: { allowOrigins: [], allowCredentials: false, allowHeaders: [], exposeHeaders: [], maxAgeSeconds: 60 },
  exposeEndpoint: true,
  staticDir: undefined,
  accessLog: 'off',
};

const METHODS: MethodFacts[] = ChaosService.methods.map((method) => ({
  service: ChaosService.typeName,
  method: method.name,
  kind: method.methodKind === 'server_streaming' ? 'server_stream' : toKind(method.methodKind),
  idempotency: ['Get', 'Watch'].includes(method.name) ? 'no_side_effects' : 'unknown',
}));

function toKind(kind: 'unary' | 'client_streaming' | 'bidi_streaming'): MethodFacts['kind'] {
  if (kind === 'unary') return kind;
  return kind === 'client_streaming' ? 'client_stream' : 'bidi_stream';
}

export async function startRig(): Promise<Rig> {
  const timers = new Set<object>();
  const clock = countTimers(timers);
  const plane = createDataPlane(clock);
  const tally = { started: 0, ended: 0, failed: 0, cancelled: 0 };
  let revision = 0;
  const ports = new Map<string, MessagePortOf>();
  // Its own limits on resets would hide what is behind them.
  const limits = { resetBurst: 100_000, resetPerSecond: 100_000, writeStallMs: 2_000, lingerMs: 200 };
  const listenerTimers = new Set<object>();
  const listener = await listen({
    host: '127.0.0.1',
    port: 0,
    clock: countTimers(listenerTimers),
    service: countEnds(plane, tally),
    limits,
  });
  return {
    port: listener.port,
    listener,
    tally,
    pendingTimers: () => timers.size,
    report: () => plane.report(listener.openCalls()),
    apply(endpoints) {
      revision++;
      const cluster = {
        service: ChaosService.typeName,
        balancing: resolveBalancing(),
        limits: { maxCalls: 500, maxPending: 500 },
        policy: { retry: { maxAttempts: 3, holdHeadMs: 5 }, connectTimeoutMs: 300 },
        methodPolicies: {},
        routes: [],
        endpoints: { kind: 'all' as const, endpoints },
        methods: METHODS,
        readsLoad: false,
      };
      plane.apply({ revision, clusters: [cluster], schemas: [], policies: POLICIES }, new Map(ports));
      ports.clear();
    },
    openModule(service, incarnation) {
      const { port1, port2 } = new MessageChannel();
      const server = servePort(port2, service, systemClock);
      const endpoint = createEndpoint({ instanceId: 'module', incarnation, protocol: 'port' });
      ports.set(`module#${incarnation}`, port1);
      return { endpoint, end: () => server.close() };
    },
    async close() {
      await listener.close(0);
      await plane.close();
    },
  };
}

type MessagePortOf = MessageChannel['port1'];

export function createEndpoint(overrides: Partial<Endpoint>): Endpoint {
  return {
    instanceId: 'x',
    incarnation: 1,
    host: '127.0.0.1',
    port: 0,
    protocol: 'grpc',
    codecs: ['proto', 'json'],
    weight: 1,
    priority: 0,
    zone: '',
    services: [ChaosService.typeName],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
    ...overrides,
  };
}

function countTimers(timers: Set<object>): Clock {
  return {
    ...systemClock,
    after(delayMs, fn) {
      const key = {};
      timers.add(key);
      const timer = systemClock.after(delayMs, () => {
        timers.delete(key);
        fn();
      });
      return {
        cancel() {
          timers.delete(key);
          timer.cancel();
        },
      };
    },
  };
}

function countEnds(plane: DataPlane, tally: Rig['tally']): Service {
  return (head, reply) => {
    tally.started++;
    let over = false;
    const once = (how: 'ended' | 'failed' | 'cancelled'): void => {
      if (!over) tally[how]++;
      over = true;
    };
    const body = plane.service(head, {
      head: (h) => reply.head(h),
      write: (bytes) => reply.write(bytes),
      grant: (bytes) => reply.grant(bytes),
      end(trailers) {
        once('ended');
        reply.end(trailers);
      },
      fail(error) {
        once('failed');
        reply.fail(error);
      },
    });
    return {
      write: (bytes) => body.write(bytes),
      end: () => body.end(),
      grant: (bytes) => body.grant(bytes),
      cancel(reason) {
        once('cancelled');
        body.cancel(reason);
      },
    };
  };
}
