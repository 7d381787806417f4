import { randomBytes } from 'node:crypto';
import type { Clock } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type ConnectRouter, type ServiceImpl } from '@connectrpc/connect';
import {
  EventSchema,
  RegistryService,
  type Endpoint,
  type Event,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createEventLog } from './event-log.ts';
import { createLeases, type LeaseChange } from './leases.ts';
import { createSchemaStore } from './schema-store.ts';
import { ttlMsOf, validateEndpoint } from './validation.ts';
import { createFilter, putEvent, watch } from './watcher.ts';

/** The embedded registry: leases with a TTL in memory, and a watch over them. */
export interface Registry {
  /** Route function of `bascule.registry.v1.RegistryService`. Put authentication around it: writes need a token. */
  readonly routes: (router: ConnectRouter) => void;
  /** Ends all watches and timers. Watchers see the end of the stream, which is no change of the set. */
  close(): void;
}

export interface RegistryOptions {
  clock: Clock;
  /** Source of lease ids. Default the system's cryptographic one. */
  randomBytes?: (size: number) => Uint8Array;
  /** Events kept at least, for watches that resume. Default 4,096. */
  historyEvents?: number;
}

const LEASE_ID_BYTES = 16;
const DEFAULT_HISTORY_EVENTS = 4_096;

/** An empty registry with a new epoch. */
export function createRegistry(options: RegistryOptions): Registry {
  const { clock } = options;
  const random = options.randomBytes ?? randomBytes;
  const log = createEventLog(newEpoch(clock), options.historyEvents ?? DEFAULT_HISTORY_EVENTS);
  const schemas = createSchemaStore();
  const closing = new AbortController();

  const leases = createLeases({
    clock,
    newLeaseId: () => Buffer.from(random(LEASE_ID_BYTES)).toString('hex'),
    onChange(change) {
      if (change.after !== undefined) schemas.retain(change.after.schemaDigest);
      if (change.before !== undefined) schemas.release(change.before.schemaDigest);
      const endpoint = (change.after ?? change.before) as Endpoint;
      log.append({
        key: `${endpoint.instanceId}#${endpoint.incarnation}`,
        event: eventOf(change, endpoint),
        before: change.before?.services ?? [],
        after: change.after?.services ?? [],
      });
    },
  });

  const implementation: ServiceImpl<typeof RegistryService> = {
    register(request) {
      const endpoint = validateEndpoint(request.endpoint);
      const ttlMs = ttlMsOf(request.ttl);
      schemas.offer(endpoint.schemaDigest, request.schema);
      try {
        const { leaseId } = leases.register(endpoint, ttlMs);
        return { leaseId, ttl: durationFromMs(ttlMs) };
      } finally {
        schemas.dropUnused(endpoint.schemaDigest);
      }
    },
    renew(request) {
      const registration = leases.renew(request.leaseId);
      if (registration === undefined) throw new ConnectError('the lease is over: register again', Code.NotFound);
      return { ttl: durationFromMs(registration.ttlMs) };
    },
    async *keepAlive(requests) {
      for await (const { leases: renewals } of requests) {
        const lostLeaseIds = renewals.flatMap(({ leaseId }) => (leases.renew(leaseId) === undefined ? [leaseId] : []));
        yield { lostLeaseIds };
      }
    },
    deregister(request) {
      leases.deregister(request.leaseId);
      return {};
    },
    watch: (request, context) =>
      watch({
        log,
        clock,
        request,
        endpoints: () => leases.endpoints(),
        signal: AbortSignal.any([context.signal, closing.signal]),
      }),
    list(request) {
      const concerns = createFilter(request.services);
      const endpoints = leases.endpoints().filter((endpoint) => concerns(endpoint.services));
      return { epoch: log.epoch, revision: log.revision(), endpoints };
    },
    getSchema(request) {
      const schema = schemas.get(request.digest);
      if (schema === undefined) throw new ConnectError('no endpoint uses descriptors of this digest', Code.NotFound);
      return { schema };
    },
  };

  return {
    routes: (router) => void router.service(RegistryService, implementation),
    close() {
      closing.abort();
      leases.close();
    },
  };
}

function eventOf({ after, cause }: LeaseChange, endpoint: Endpoint): Event {
  if (after !== undefined) return putEvent(after);
  const { instanceId, incarnation } = endpoint;
  return create(EventSchema, { event: { case: 'removal', value: { instanceId, incarnation, cause } } });
}

/** The time in the upper bits, chance in the lower 20: two starts within a millisecond differ as well. */
function newEpoch(clock: Clock): bigint {
  return (BigInt(Math.floor(clock.wallMs())) << 20n) | BigInt(Math.floor(clock.random() * 2 ** 20));
}
