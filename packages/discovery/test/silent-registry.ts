import {
  EventSchema,
  RegistryService,
  WatchResponseSchema,
  type WatchRequest,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import type { Endpoint } from '@bascule/core';
import { create } from '@bufbuild/protobuf';
import { createRouterTransport, type Transport } from '@connectrpc/connect';
import { toEndpointMessage } from '../src/endpoint-message.ts';

/**
 * A registry that answers a watch once (epoch 9, revision 4) and then says nothing until `end`. `snapshots` are the
 * sets of the first, second ... watch, each told whole; without them nobody is there, and a second watch resumes.
 */
export function createSilentRegistry(snapshots?: Endpoint[][]): {
  transport: Transport;
  readonly watches: number;
  readonly requests: WatchRequest[];
  end(): void;
} {
  const requests: WatchRequest[] = [];
  let held = Promise.withResolvers<void>();
  async function* watch(request: WatchRequest, { signal }: { signal: AbortSignal }): AsyncGenerator<WatchResponse> {
    requests.push(request);
    const mine = (held = Promise.withResolvers<void>());
    const snapshot = request.revision === 0n || snapshots !== undefined;
    const endpoints = snapshots?.[requests.length - 1] ?? [];
    const events = endpoints.map((endpoint) =>
      create(EventSchema, { event: { case: 'put', value: toEndpointMessage(endpoint) } }),
    );
    yield create(WatchResponseSchema, { epoch: 9n, revision: 4n, snapshot, events });
    signal.addEventListener('abort', () => mine.resolve());
    await mine.promise;
  }
  return {
    transport: createRouterTransport((router) => void router.service(RegistryService, { watch })),
    get watches() {
      return requests.length;
    },
    requests,
    end: () => held.resolve(),
  };
}
