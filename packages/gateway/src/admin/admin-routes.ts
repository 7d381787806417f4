import { create } from '@bufbuild/protobuf';
import {
  AdminService,
  EndpointViewSchema,
  GetStatusResponseSchema,
  ListEndpointsResponseSchema,
  RemovalViewSchema,
  SourceViewSchema,
  type EndpointView,
  type ListEndpointsResponse,
} from '@bascule/schema/gen/bascule/admin/v1/admin_pb.ts';
import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import type { DiscoveryViewData, EndpointViewData, StatusData } from './views.ts';

export interface AdminRoutesOptions {
  /** Every endpoint of every cluster, as the gateway sees it now. */
  view(): DiscoveryViewData | Promise<DiscoveryViewData>;
  /** The view at once, and again after each change, until the signal aborts. Throws when too many watch. */
  watch(signal: AbortSignal): AsyncIterable<DiscoveryViewData>;
  /** Serialized FileDescriptorSet of a service that is served; undefined when none is known. */
  schemaOf(service: string): Uint8Array | undefined;
  status(): StatusData | Promise<StatusData>;
}

/** Made once for all who are sent the same. */
type Responses = WeakMap<DiscoveryViewData, Map<string, ListEndpointsResponse>>;

/** Route functions of AdminService. Who may call is not decided here. */
export function createAdminRoutes(options: AdminRoutesOptions): (router: ConnectRouter) => void {
  const responses: Responses = new WeakMap();
  return (router) => {
    router.service(AdminService, {
      async listEndpoints({ service }) {
        const view = await options.view();
        const known = view.endpoints.some((endpoint) => endpoint.cluster === service);
        if (service !== '' && !known) throw unknownService(service, view.endpoints);
        return toResponse(view, service);
      },
      async *watchEndpoints({ service }, { signal }) {
        // A service that nobody serves yet is just what is waited for.
        for await (const view of options.watch(signal)) yield { view: toKnownResponse(responses, view, service) };
      },
      async getServiceSchema({ service }) {
        const schema = options.schemaOf(service);
        if (schema === undefined) throw unknownService(service, (await options.view()).endpoints);
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

function toKnownResponse(responses: Responses, view: DiscoveryViewData, service: string): ListEndpointsResponse {
  const made = responses.get(view) ?? new Map<string, ListEndpointsResponse>();
  const response = made.get(service) ?? toResponse(view, service);
  responses.set(view, made.set(service, response));
  return response;
}

/** `service` leaves out what is not about it; empty is all. */
function toResponse({ endpoints, removals, sources }: DiscoveryViewData, service: string): ListEndpointsResponse {
  const isWanted = (services: readonly string[]): boolean => service === '' || services.includes(service);
  return create(ListEndpointsResponseSchema, {
    endpoints: endpoints
      .filter(({ cluster }) => isWanted([cluster]))
      .toSorted(byCluster)
      .map(toView),
    removals: removals
      .filter(({ services }) => isWanted(services))
      .map((removal) =>
        create(RemovalViewSchema, {
          ...removal,
          services: [...removal.services],
          incarnation: BigInt(removal.incarnation),
          atMs: toInteger(removal.atMs),
        }),
      ),
    sources: sources.map((source) => create(SourceViewSchema, { ...source, sinceMs: toInteger(source.sinceMs) })),
  });
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
    sinceMs: toInteger(endpoint.sinceMs),
  });
}

/** Clocks may give fractions of milliseconds. */
function toInteger(ms: number): bigint {
  return BigInt(Math.round(ms));
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
