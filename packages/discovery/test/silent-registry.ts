import {
  RegistryService,
  WatchResponseSchema,
  type WatchRequest,
  type WatchResponse,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create } from '@bufbuild/protobuf';
import { createRouterTransport, type Transport } from '@connectrpc/connect';

/** A registry that answers a watch once (epoch 9, revision 4, nobody there) and then says nothing until `end`. */
export function createSilentRegistry(): {
  transport: Transport;
  readonly watches: number;
  readonly requests: WatchRequest[];
  end(): void;
} {
  const requests: WatchRequest[] = [];
  let held = Promise.withResolvers<void>();
  async function* watch(request: WatchRequest, { signal }: { signal: AbortSignal }): AsyncGenerator<WatchResponse> {
    requests.push(request);
    const snapshot = request.revision === 0n;
    yield create(WatchResponseSchema, { epoch: 9n, revision: 4n, snapshot });
    signal.addEventListener('abort', () => held.resolve());
    await held.promise;
    held = Promise.withResolvers<void>();
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
