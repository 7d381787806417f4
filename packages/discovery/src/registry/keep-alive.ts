import {
  KeepAliveResponseSchema,
  type KeepAliveRequest,
  type KeepAliveResponse,
  type RenewRequest,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create } from '@bufbuild/protobuf';
import { invalid } from './validation.ts';

const MAX_LEASES = 10_000;

/** Answers each request, in order. `renew` says whether the lease is still there. Ends with its caller or the signal. */
export async function* keepAlive(options: {
  readonly requests: AsyncIterable<KeepAliveRequest>;
  readonly signal: AbortSignal;
  renew(request: RenewRequest): boolean;
}): AsyncGenerator<KeepAliveResponse> {
  const { signal } = options;
  const requests = options.requests[Symbol.asyncIterator]();
  let turn = Promise.withResolvers<IteratorResult<KeepAliveRequest> | undefined>();
  const end = (): void => turn.resolve(undefined);
  signal.addEventListener('abort', end);
  try {
    while (!signal.aborted) {
      const next = (turn = Promise.withResolvers());
      // Not Promise.race: of a promise that stays, each race would leave something behind.
      requests.next().then(next.resolve, next.reject);
      const step = await next.promise;
      if (step === undefined || step.done === true) return;
      const { leases } = step.value;
      if (leases.length > MAX_LEASES)
        throw invalid('leases', `are ${leases.length}, at most ${MAX_LEASES} are allowed`);
      const lost = leases.filter((lease) => !options.renew(lease));
      yield create(KeepAliveResponseSchema, { lostLeaseIds: lost.map(({ leaseId }) => leaseId) });
    }
  } finally {
    signal.removeEventListener('abort', end);
  }
}
