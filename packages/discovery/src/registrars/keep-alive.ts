import {
  KeepAliveRequestSchema,
  RegistryService,
  type Condition,
  type KeepAliveRequest,
} from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { create } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createOutbox, type Outbox } from './outbox.ts';

/** Renews all leases that were got over one transport. */
export interface KeepAlive {
  /** Resolves with whether the lease is still there. Rejects when nobody knows. */
  renew(request: Renewal, signal: AbortSignal): Promise<boolean>;
  /** One more lease is to be renewed. */
  join(): void;
  /** One less; the stream ends with the last. */
  leave(): void;
}

interface Renewal {
  readonly leaseId: string;
  readonly condition: Condition;
}

/**
 * The stream over which leases are renewed:
 * - `none`: it is opened with the next renewal
 * - `asking`: opened, but nobody has answered on it yet; renewals go one by one meanwhile
 * - `open`: it carries renewals
 * - `impossible`: the registry does not know it, or the way to it cannot carry it, as HTTP/1.1 cannot
 */
type State = { readonly kind: 'none' | 'impossible' } | { readonly kind: 'asking' | 'open'; readonly stream: Stream };

interface Stream {
  readonly abort: AbortController;
  readonly outbox: Outbox<KeepAliveRequest>;
  /** Requests without an answer yet, the oldest first. The very first one renews nothing: it asks. */
  readonly waiting: Batch[];
  /** Leases that were renewed one by one since the stream had not answered. */
  readonly doubters: Set<string>;
}

interface Batch {
  readonly renewals: Renewal[];
  readonly answered: PromiseWithResolvers<ReadonlySet<string>>;
}

/** What says nothing about whether the stream would work another time. */
const PASSING: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.ResourceExhausted,
  Code.Aborted,
]);

const known = new WeakMap<Transport, KeepAlive>();

/** The one of a transport. */
export function keepAliveOf(transport: Transport): KeepAlive {
  const keepAlive = known.get(transport) ?? createKeepAlive(transport);
  known.set(transport, keepAlive);
  return keepAlive;
}

function createKeepAlive(transport: Transport): KeepAlive {
  const client = createClient(RegistryService, transport);
  let state: State = { kind: 'none' };
  let leases = 0;
  /** Renewals of this turn: they go in one request. */
  let next: Batch | undefined;

  function open(): void {
    const stream: Stream = {
      abort: new AbortController(),
      outbox: createOutbox(),
      waiting: [],
      doubters: new Set(),
    };
    state = { kind: 'asking', stream };
    send(stream, createBatch());
    void read(stream);
  }

  async function read(stream: Stream): Promise<void> {
    try {
      for await (const { lostLeaseIds } of client.keepAlive(stream.outbox, { signal: stream.abort.signal })) {
        if (isOf(stream)) state = { kind: 'open', stream };
        stream.waiting.shift()?.answered.resolve(new Set(lostLeaseIds));
      }
      end(stream, new ConnectError('the registry ended the keep-alive', Code.Unavailable));
    } catch (error) {
      end(stream, ConnectError.from(error));
    }
  }

  function isOf(stream: Stream): boolean {
    return 'stream' in state && state.stream === stream;
  }

  function end(stream: Stream, error: ConnectError): void {
    if (isOf(stream)) {
      const isImpossible = state.kind === 'asking' && !PASSING.has(error.code);
      state = { kind: isImpossible ? 'impossible' : 'none' };
    }
    stream.outbox.end();
    stream.abort.abort();
    for (const { answered } of stream.waiting.splice(0)) answered.reject(error);
  }

  function send(stream: Stream, batch: Batch): void {
    stream.waiting.push(batch);
    stream.outbox.push(create(KeepAliveRequestSchema, { leases: batch.renewals }));
  }

  function sendNext(): void {
    const batch = next as Batch;
    next = undefined;
    if (state.kind === 'open') send(state.stream, batch);
    else batch.answered.reject(new ConnectError('the keep-alive has just ended', Code.Unavailable));
  }

  async function renewByStream(stream: Stream, renewal: Renewal, signal: AbortSignal): Promise<boolean> {
    if (next === undefined) {
      next = createBatch();
      queueMicrotask(sendNext);
    }
    next.renewals.push(renewal);
    const { promise: given, reject } = Promise.withResolvers<never>();
    const giveUp = (): void => {
      const reason = ConnectError.from(signal.reason);
      // Others wait as well for a stream that hangs: without it they go one by one.
      if (reason.code === Code.DeadlineExceeded) end(stream, reason);
      reject(reason);
    };
    signal.addEventListener('abort', giveUp);
    try {
      const lost = await Promise.race([next.answered.promise, given]);
      return !lost.has(renewal.leaseId);
    } finally {
      signal.removeEventListener('abort', giveUp);
    }
  }

  async function renewAlone(renewal: Renewal, signal: AbortSignal): Promise<boolean> {
    try {
      await client.renew(renewal, { signal });
      return true;
    } catch (error) {
      if (ConnectError.from(error).code === Code.NotFound) return false;
      throw error;
    }
  }

  /** A stream that has not answered until a lease is renewed for the second time never will. */
  function doubt(stream: Stream, leaseId: string): void {
    if (stream.doubters.has(leaseId)) {
      end(stream, new ConnectError('the keep-alive is not answered', Code.Unimplemented));
    }
    stream.doubters.add(leaseId);
  }

  return {
    renew(renewal, signal) {
      if (state.kind === 'open') return renewByStream(state.stream, renewal, signal);
      if (state.kind === 'asking') doubt(state.stream, renewal.leaseId);
      else if (state.kind === 'none') open();
      return renewAlone(renewal, signal);
    },
    join() {
      leases += 1;
      if (state.kind === 'none') open();
    },
    leave() {
      leases -= 1;
      if (leases === 0 && 'stream' in state) end(state.stream, new ConnectError('no lease is left', Code.Canceled));
    },
  };
}

function createBatch(): Batch {
  const answered = Promise.withResolvers<ReadonlySet<string>>();
  // Of the one that only asks, and of those whose renewals were all given up, nobody waits for the answer.
  answered.promise.catch(() => undefined);
  return { renewals: [], answered };
}
