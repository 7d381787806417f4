import type { Clock, Endpoint } from '@bascule/core';
import { RegistryService } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { durationFromMs, durationMs, type Duration } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { toEndpointMessage } from './endpoint-message.ts';
import { callWithin, createBackoff, waitFor } from './waiting.ts';

/** Keeps an endpoint registered for as long as it lives. */
export interface Registrar {
  /** Resolves at the first registration. Rejects when the registry refuses it for good, or at `close`. */
  readonly registered: Promise<void>;
  /** Deregisters, within 2 s at most, and never rejects: a lease that cannot be ended ends by itself. */
  close(): Promise<void>;
}

/** What happened to a registration, for logs. */
export type RegistrarEvent =
  | { readonly type: 'registered'; readonly ttlMs: number }
  | { readonly type: 'retrying'; readonly error: string; readonly delayMs: number }
  /** The registry does not know the lease: it expired, or the registry restarted. It is registered again. */
  | { readonly type: 'lease-lost' }
  /** The registry refuses the record or the incarnation. Nothing is tried any more. */
  | { readonly type: 'rejected'; readonly error: string }
  | { readonly type: 'deregistered' };

export interface RegistrarOptions {
  transport: Transport;
  endpoint: Endpoint;
  /** Descriptors with the digest `endpoint.schemaDigest`. */
  schema: Uint8Array;
  /** 1,000 to 600,000. Renewed at a third. */
  ttlMs: number;
  clock: Clock;
  onEvent?: ((event: RegistrarEvent) => void) | undefined;
}

const CALL_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 5_000;

interface Lease {
  readonly id: string;
  readonly ttlMs: number;
}

/** Begins to register at once, and goes on until it is closed or refused. */
export function createRegistrar(options: RegistrarOptions): Registrar {
  const { clock, endpoint, schema } = options;
  const client = createClient(RegistryService, options.transport);
  const first = Promise.withResolvers<void>();
  // Who does not ask for it is told by onEvent.
  first.promise.catch(() => undefined);
  /** No new attempt begins. */
  const closing = new AbortController();
  /** The time for the last words is over. */
  const givingUp = new AbortController();
  const backoff = createBackoff(clock, FIRST_RETRY_MS, MAX_RETRY_MS);
  let lease: Lease | undefined;

  const tell = (event: RegistrarEvent): void => options.onEvent?.(event);

  async function retryLater(error: unknown): Promise<void> {
    const delayMs = backoff.next();
    tell({ type: 'retrying', error: ConnectError.from(error).message, delayMs });
    await waitFor(clock, delayMs, closing.signal);
  }

  /** A running attempt is not aborted by `close`: a lease whose id nobody knows could not be given back. */
  async function register(): Promise<Lease> {
    const request = { endpoint: toEndpointMessage(endpoint), ttl: durationFromMs(options.ttlMs), schema };
    const answer = await callWithin({ clock, timeoutMs: CALL_TIMEOUT_MS, signal: givingUp.signal }, (signal) =>
      client.register(request, { signal }),
    );
    return { id: answer.leaseId, ttlMs: ttlMsOf(answer.ttl, options.ttlMs) };
  }

  /** True when there is a lease, false when there will be none. */
  async function registerUntilDone(): Promise<boolean> {
    while (!closing.signal.aborted) {
      try {
        lease = await register();
        backoff.reset();
        tell({ type: 'registered', ttlMs: lease.ttlMs });
        first.resolve();
        return true;
      } catch (error) {
        if (isFinal(error)) {
          tell({ type: 'rejected', error: ConnectError.from(error).message });
          first.reject(error);
          return false;
        }
        await retryLater(error);
      }
    }
    return false;
  }

  /** Returns when the registry does not know the lease any more, or at `close`. */
  async function renewWhileKnown({ id, ttlMs }: Lease): Promise<void> {
    const jitter = 0.9 + 0.2 * clock.random();
    await waitFor(clock, (ttlMs / 3) * jitter, closing.signal);
    while (!closing.signal.aborted) {
      try {
        const call = { clock, timeoutMs: Math.min(CALL_TIMEOUT_MS, ttlMs / 3), signal: closing.signal };
        await callWithin(call, (signal) => client.renew({ leaseId: id }, { signal }));
        backoff.reset();
        await waitFor(clock, ttlMs / 3, closing.signal);
      } catch (error) {
        if (closing.signal.aborted) return;
        if (ConnectError.from(error).code === Code.NotFound) return;
        await retryLater(error);
      }
    }
  }

  async function run(): Promise<void> {
    while (await registerUntilDone()) {
      await renewWhileKnown(lease as Lease);
      if (closing.signal.aborted) return;
      lease = undefined;
      tell({ type: 'lease-lost' });
    }
  }

  async function deregister({ id }: Lease): Promise<void> {
    try {
      const call = { clock, timeoutMs: CLOSE_TIMEOUT_MS, signal: givingUp.signal };
      await callWithin(call, (signal) => client.deregister({ leaseId: id }, { signal }));
      tell({ type: 'deregistered' });
    } catch (error) {
      tell({ type: 'retrying', error: `not deregistered, the lease ends by itself: ${String(error)}`, delayMs: 0 });
    }
  }

  async function end(): Promise<void> {
    closing.abort(new Error('the registrar is closed'));
    first.reject(new Error('closed before it was registered'));
    const limit = clock.after(CLOSE_TIMEOUT_MS, () => givingUp.abort(new Error('the time to deregister is over')));
    await running;
    if (lease !== undefined) await deregister(lease);
    limit.cancel();
  }

  const running = run();
  let ending: Promise<void> | undefined;
  return { registered: first.promise, close: () => (ending ??= end()) };
}

/** What repeating cannot change: the record is unsound, or a newer process of the instance is there. */
function isFinal(error: unknown): boolean {
  const { code } = ConnectError.from(error);
  return code === Code.InvalidArgument || code === Code.FailedPrecondition;
}

function ttlMsOf(ttl: Duration | undefined, askedMs: number): number {
  return ttl === undefined ? askedMs : Math.max(durationMs(ttl), 1_000);
}
