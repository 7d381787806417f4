import { Code, ConnectError } from '@connectrpc/connect';
import type { Endpoint } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { EndpointRecord, Lease } from './lease.ts';
import type { RegistryLimits } from './limits.ts';
import type { Namespace } from './namespaces.ts';
import { createTally } from './tally.ts';

/** How many more may register. */
export interface Room {
  /** Throws `resource_exhausted` when an instance does not fit. `known`: what is registered of it now. */
  require(wanted: {
    readonly namespace: Namespace;
    readonly endpoint: Endpoint;
    readonly known: Endpoint | undefined;
    readonly principal: string;
    readonly isBounded: boolean;
  }): void;
  take(lease: Lease, record: EndpointRecord): void;
  give(lease: Lease, record: EndpointRecord): void;
}

export function createRoom(limits: RegistryLimits): Room {
  const perService = createTally();
  const perPrincipal = createTally();
  let instances = 0;

  function count({ namespace, principal }: Lease, { endpoint }: EndpointRecord, by: 1 | -1): void {
    instances += by;
    perPrincipal.add(principal, by);
    for (const service of endpoint.services) perService.add(nameOf(namespace, service), by);
  }

  return {
    require({ namespace, endpoint, known, principal, isBounded }) {
      const { maxInstances, maxInstancesPerPrincipal, maxInstancesPerService } = limits;
      const has = new Set(known?.services);
      const full = endpoint.services.find(
        (service) => !has.has(service) && perService.of(nameOf(namespace, service)) >= maxInstancesPerService,
      );
      if (full !== undefined) throw exhausted(`${full} has ${maxInstancesPerService} instances already`);
      if (known !== undefined) return;
      if (instances >= maxInstances) throw exhausted(`the registry has ${maxInstances} instances already`);
      if (isBounded && perPrincipal.of(principal) >= maxInstancesPerPrincipal) {
        throw exhausted(
          `${principal} has registered ${maxInstancesPerPrincipal} instances already, which is its share`,
        );
      }
    },
    take: (lease, record) => count(lease, record, 1),
    give: (lease, record) => count(lease, record, -1),
  };
}

/** A namespace has no slash. */
function nameOf(namespace: Namespace, service: string): string {
  return `${namespace.name}/${service}`;
}

function exhausted(message: string): ConnectError {
  return new ConnectError(message, Code.ResourceExhausted);
}
