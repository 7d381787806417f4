import {
  KeepAliveRequestSchema,
  type Condition,
  type KeepAliveRequest,
  type RegistryService,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, type Client } from '@connectrpc/connect';
import { createOutbox } from './outbox.ts';

/** One lease, and what its instance says of itself. */
export interface Renewal {
  readonly leaseId: string;
  readonly condition: Condition;
}

/** One stream that carries renewals: requests go in turn, and are answered in turn. */
export interface RenewalStream {
  /** Sends a request that renews nothing: whoever answers it can carry renewals. Once. */
  open(): void;
  /** Resolves with whether the lease is still there. Rejects when nobody knows. */
  renew(renewal: Renewal, signal: AbortSignal): Promise<boolean>;
  /** Ends it, with what is told to all who wait. */
  end(error: ConnectError): void;
}

export interface RenewalStreamOptions {
  readonly client: Client<typeof RegistryService>;
  /** With each answer. */
  onAnswered(): void;
  /** Once, whoever ended it. Nothing is answered after that. */
  onEnded(error: ConnectError): void;
}

interface Batch {
  readonly renewals: Renewal[];
  readonly answered: PromiseWithResolvers<ReadonlySet<string>>;
}

export function createRenewalStream(options: RenewalStreamOptions): RenewalStream {
  const abort = new AbortController();
  const outbox = createOutbox<KeepAliveRequest>();
  /** Without an answer yet, the oldest first. */
  const waiting: Batch[] = [];
  /** Renewals of this turn: they go in one request. */
  let next: Batch | undefined;

  async function read(): Promise<void> {
    try {
      for await (const { lostLeaseIds } of options.client.keepAlive(outbox, { signal: abort.signal })) {
        if (abort.signal.aborted) return;
        options.onAnswered();
        waiting.shift()?.answered.resolve(new Set(lostLeaseIds));
      }
      end(new ConnectError('the registry ended the keep-alive', Code.Unavailable));
    } catch (error) {
      end(ConnectError.from(error));
    }
  }

  function end(error: ConnectError): void {
    if (abort.signal.aborted) return;
    abort.abort();
    outbox.end();
    options.onEnded(error);
    for (const { answered } of waiting.splice(0)) answered.reject(error);
  }

  function send(batch: Batch): void {
    waiting.push(batch);
    outbox.push(create(KeepAliveRequestSchema, { leases: batch.renewals }));
  }

  function sendNext(): void {
    const batch = next as Batch;
    next = undefined;
    if (!abort.signal.aborted) send(batch);
    else batch.answered.reject(new ConnectError('the keep-alive has just ended', Code.Unavailable));
  }

  function join(renewal: Renewal): Batch {
    if (next === undefined) {
      next = createBatch();
      queueMicrotask(sendNext);
    }
    next.renewals.push(renewal);
    return next;
  }

  return {
    open() {
      send(createBatch());
      void read();
    },
    async renew(renewal, signal) {
      const { answered } = join(renewal);
      const { promise: given, reject } = Promise.withResolvers<never>();
      const giveUp = (): void => {
        const reason = ConnectError.from(signal.reason);
        // Others wait as well for a stream that hangs: without it they go one by one.
        if (reason.code === Code.DeadlineExceeded) end(reason);
        reject(reason);
      };
      signal.addEventListener('abort', giveUp);
      try {
        const lost = await Promise.race([answered.promise, given]);
        return !lost.has(renewal.leaseId);
      } finally {
        signal.removeEventListener('abort', giveUp);
      }
    },
    end,
  };
}

function createBatch(): Batch {
  const answered = Promise.withResolvers<ReadonlySet<string>>();
  // Of the one that only asks, and of those whose renewals were all given up, nobody waits for the answer.
  answered.promise.catch(() => undefined);
  return { renewals: [], answered };
}
