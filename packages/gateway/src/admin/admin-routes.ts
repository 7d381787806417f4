import { create } from '@bufbuild/protobuf';
import {
  AdminService,
  EndpointViewSchema,
  GetStatusResponseSchema,
  type EndpointView,
} from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import type { EndpointViewData, StatusData } from './views.ts';

export interface AdminRoutesOptions {
  /** Every endpoint of every cluster, as the gateway sees it now. */
  endpoints(): readonly EndpointViewData[] | Promise<readonly EndpointViewData[]>;
  /** Serialized FileDescriptorSet of a service that is served; undefined when none is known. */
  schemaOf(service: string): Uint8Array | undefined;
  status(): StatusData | Promise<StatusData>;
}

/** Route functions of AdminService. Who may call is not decided here. */
export function createAdminRoutes(options: AdminRoutesOptions): (router: ConnectRouter) => void {
  return (router) => {
    router.service(AdminService, {
      async listEndpoints({ service }) {
        const all = await options.endpoints();
        const wanted = service === '' ? all : all.filter((endpoint) => endpoint.cluster === service);
        if (service !== '' && wanted.length === 0) throw unknownService(service, all);
        return { endpoints: [...wanted].sort(byCluster).map(toView) };
      },
      async getServiceSchema({ service }) {
        const schema = options.schemaOf(service);
        if (schema === undefined) throw unknownService(service, await options.endpoints());
        return { schema };
      },
      async getStatus() {
        const status = await options.status();
        return create(GetStatusResponseSchema, {
          ...status,
          configRevision: BigInt(status.configRevision),
          snapshotRevision: BigInt(status.snapshotRevision),
        });
      },
    });
  };
}

function byCluster(a: EndpointViewData, b: EndpointViewData): number {
  return (
    a.cluster.localeCompare(b.cluster) || a.address.localeCompare(b.address) || a.instanceId.localeCompare(b.instanceId)
  );
}

function toView(endpoint: EndpointViewData): EndpointView {
  return create(EndpointViewSchema, {
    ...endpoint,
    services: [...endpoint.services],
    incarnation: BigInt(endpoint.incarnation),
    calls: BigInt(endpoint.calls),
    failures: BigInt(endpoint.failures),
  });
}

function unknownService(service: string, endpoints: readonly EndpointViewData[]): ConnectError {
  const known = [...new Set(endpoints.flatMap((endpoint) => endpoint.services))].sort();
  if (known.includes(service)) {
    const advice = 'Its endpoints must tell one: let them register, or set discovery.endpoints[].schema.';
    return new ConnectError(`no schema is known of ${service}\n${advice}`, Code.FailedPrecondition);
  }
  const advice = known.length === 0 ? 'No endpoint is known at all.' : `Known are ${known.join(', ')}.`;
  return new ConnectError(`no endpoint serves ${service}\n${advice}`, Code.NotFound);
}
