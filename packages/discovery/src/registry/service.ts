import type { Clock } from '@bascule/core';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from '@connectrpc/connect';
import type { Condition, RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { createFilter, type Filter } from './filter.ts';
import type { Caller, Gate, Subject } from './gate.ts';
import { keepAlive } from './keep-alive.ts';
import type { Lease } from './lease.ts';
import type { Leases } from './leases.ts';
import type { Namespaces } from './namespaces.ts';
import type { SchemaStore } from './schema-store.ts';
import type { Streams } from './streams.ts';
import { invalid, namespaceOf, ttlMsOf, validateEndpoint } from './validation.ts';
import { watch } from './watcher.ts';

/** More than that fits no answer that a client takes by default. */
const MAX_LISTED = 10_000;
/** Services that one watch or list names. */
const MAX_ASKED = 1_000;

export interface ServiceParts {
  readonly clock: Clock;
  readonly epoch: bigint;
  readonly gate: Gate;
  readonly leases: Leases;
  readonly namespaces: Namespaces;
  readonly schemas: SchemaStore;
  readonly streams: Streams;
  /** Of the registry's last event. */
  revision(): number;
  onRenewed(): void;
}

/** The handlers of RegistryService. Each asks the gate before it looks at anything else. */
export function createRegistryService(parts: ServiceParts): ServiceImpl<typeof RegistryService> {
  const { clock, epoch, gate, leases, namespaces, schemas, streams } = parts;

  /** Throws when the lease is not the caller's. */
  function renew(caller: Caller, lease: Lease, condition: Condition | undefined): void {
    caller.requireLease(lease);
    leases.renew(lease, condition);
    parts.onRenewed();
  }

  return {
    register(request, context) {
      const { namespace, endpoint, schema } = request;
      const subject: Subject = {
        verb: 'register',
        namespace,
        services: endpoint?.services ?? [],
        instanceId: endpoint?.instanceId ?? '',
      };
      return gate.run(context, subject, (caller) => {
        caller.requireWriter();
        const sound = validateEndpoint(endpoint);
        const ttlMs = ttlMsOf(request.ttl);
        const name = namespaceOf(namespace);
        caller.requireRegister(name, sound.services);
        const { principal, isBounded } = caller;
        const digest = sound.schemaDigest;
        const entered = namespaces.enter(name);
        try {
          schemas.offer({ digest, schema, principal, isBounded });
          const lease = leases.register({ namespace: entered, endpoint: sound, ttlMs, principal, isBounded });
          return { leaseId: lease.id, ttl: durationFromMs(ttlMs) };
        } finally {
          schemas.dropUnused(digest);
          namespaces.leave(entered);
        }
      });
    },

    renew({ leaseId, condition }, context) {
      return gate.run(context, subjectOf('renew', leases.find(leaseId)), (caller) => {
        caller.requireWriter();
        // Now, since it may take a while to know who calls, and the lease may be over meanwhile.
        const lease = leases.find(leaseId);
        if (lease === undefined) throw new ConnectError('the lease is over: register again', Code.NotFound);
        renew(caller, lease, condition);
        return { ttl: durationFromMs(lease.ttlMs) };
      });
    },

    async *keepAlive(requests, context) {
      const caller = await gate.run(context, subjectOf('renew'), (caller) => {
        caller.requireWriter();
        return caller;
      });
      const stream = streams.enter(caller, context.signal);
      try {
        yield* keepAlive({
          requests,
          signal: stream.signal,
          renew({ leaseId, condition }) {
            const lease = leases.find(leaseId);
            if (lease === undefined) return false;
            gate.runAs(caller, context, subjectOf('renew', lease), () => renew(caller, lease, condition));
            return true;
          },
        });
      } finally {
        stream.leave();
      }
    },

    deregister({ leaseId }, context) {
      return gate.run(context, subjectOf('deregister', leases.find(leaseId)), (caller) => {
        caller.requireWriter();
        const lease = leases.find(leaseId);
        if (lease === undefined) return {};
        caller.requireLease(lease);
        leases.deregister(lease);
        namespaces.leave(lease.namespace);
        return {};
      });
    },

    async *watch(request, context) {
      const { revision } = request;
      const { caller, name, filter } = await gate.run(context, readSubject(request), (caller) =>
        toView(caller, request),
      );
      const stream = streams.enter(caller, context.signal);
      const { signal } = stream;
      // A watcher of another epoch, or of none, has nothing that we could go on from.
      const seen = request.epoch === epoch && revision > 0n ? Number(revision) : undefined;
      const readable = readsJson(context);
      try {
        // Let in with an aborted signal it would hold its namespace for ever.
        if (signal.aborted) return;
        const { board } = namespaces.visit(name, signal);
        yield* watch({ epoch, board, clock, filter, seen, readable, signal });
      } finally {
        stream.leave();
      }
    },

    list(request, context) {
      return gate.run(context, readSubject(request), (caller) => {
        const { name, filter } = toView(caller, request);
        const all = [...(namespaces.find(name)?.leases.values() ?? [])].map((lease) => lease.record.endpoint);
        const endpoints = filter === undefined ? all : all.filter((endpoint) => filter(endpoint.services));
        if (endpoints.length > MAX_LISTED) {
          const message = `${endpoints.length} endpoints are too many for one answer: watch, or name services`;
          throw new ConnectError(message, Code.ResourceExhausted);
        }
        return { epoch, revision: BigInt(parts.revision()), endpoints };
      });
    },

    getSchema({ digest }, context) {
      return gate.run(context, { ...subjectOf('read'), services: [digest] }, (caller) => {
        caller.requireReader();
        const schema = schemas.get(digest, (lease) => caller.maySee(lease));
        if (schema === undefined) throw new ConnectError('no endpoint uses descriptors of this digest', Code.NotFound);
        return { schema };
      });
    },
  };
}

function subjectOf(verb: Subject['verb'], lease?: Lease): Subject {
  const { services = [], instanceId = '' } = lease?.record.endpoint ?? {};
  return { verb, namespace: lease?.namespace.name ?? '', services, instanceId };
}

interface ReadRequest {
  readonly namespace: string;
  readonly services: readonly string[];
}

function readSubject({ namespace, services }: ReadRequest): Subject {
  return { verb: 'read', namespace, services, instanceId: '' };
}

/** What a caller may see of what it asks for. */
function toView(
  caller: Caller,
  { namespace, services }: ReadRequest,
): { caller: Caller; name: string; filter: Filter } {
  const name = namespaceOf(namespace);
  if (services.length > MAX_ASKED)
    throw invalid('services', `are ${services.length}, at most ${MAX_ASKED} are allowed`);
  caller.requireRead(name, services);
  return { caller, name, filter: createFilter(services, caller.mayRead) };
}

function readsJson(context: HandlerContext): boolean {
  return /\bjson\b/.test(context.requestHeader.get('content-type') ?? '');
}
