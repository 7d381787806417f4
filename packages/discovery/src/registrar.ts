import type { Clock, Endpoint } from '@bascule/core';
import { callWithin, createBackoff, FULL_JITTER, waitFor } from './waiting.ts';
import {
  LeaseLost,
  RegistrationRefused,
  type InstanceReport,
  type RegistrarDriver,
  type Registration,
} from './registrars/registration.ts';

/** What an instance may change of itself while it is registered. */
export type EndpointUpdate = Partial<Pick<Endpoint, 'weight' | 'labels' | 'health'>> & InstanceReport;

/** Keeps an endpoint registered for as long as it lives. */
export interface Registrar {
  /** Resolves at the first registration. Rejects when the system refuses it for good, or at `close`. */
  readonly registered: Promise<void>;
  /** Says something new of the instance, at once where it is registered. */
  update(update: EndpointUpdate): void;
  /** Deregisters, within 2 s at most, and never rejects: a lease that cannot be ended ends by itself. */
  close(): Promise<void>;
}

/** What happened to a registration, for logs. */
export type RegistrarEvent =
  | { readonly type: 'registered'; readonly ttlMs: number }
  | { readonly type: 'retrying'; readonly error: string; readonly delayMs: number }
  /** The system does not know the lease: it expired, or the system restarted. It is registered again. */
  | { readonly type: 'lease-lost' }
  /** The system refuses the record, the incarnation or us. Nothing is tried any more. */
  | { readonly type: 'rejected'; readonly error: string }
  | { readonly type: 'deregistered' };

export interface RegistrarOptions {
  readonly driver: RegistrarDriver;
  readonly endpoint: Endpoint;
  readonly clock: Clock;
  onEvent?: ((event: RegistrarEvent) => void) | undefined;
}

const CALL_TIMEOUT_MS = 5_000;
const CLOSE_TIMEOUT_MS = 2_000;
/** On average. */
const FIRST_RETRY_MS = 200;
const MAX_RETRY_MS = 2_500;

/** Begins to register at once, and goes on until it is closed or refused. */
export function createRegistrar(options: RegistrarOptions): Registrar {
  const { clock, driver } = options;
  const first = Promise.withResolvers<void>();
  // Who does not ask for it is told by onEvent.
  first.promise.catch(() => undefined);
  /** No new attempt begins. */
  const closing = new AbortController();
  /** The time for the last words is over. */
  const givingUp = new AbortController();
  const backoff = createBackoff(clock, FIRST_RETRY_MS, MAX_RETRY_MS, FULL_JITTER);
  let endpoint: Endpoint & InstanceReport = options.endpoint;
  let registration: Registration | undefined;
  /** Ends the wait for the next renewal early. */
  let news = new AbortController();

  const tell = (event: RegistrarEvent): void => options.onEvent?.(event);

  async function retryLater(error: unknown, maxDelayMs: number): Promise<void> {
    const delayMs = Math.min(backoff.next(), maxDelayMs);
    tell({ type: 'retrying', error: messageOf(error), delayMs });
    await waitFor(clock, delayMs, closing.signal);
  }

  /** A running attempt is not aborted by `close`: a lease whose id nobody knows could not be given back. */
  function register(): Promise<Registration> {
    const call = { clock, timeoutMs: CALL_TIMEOUT_MS, signal: givingUp.signal };
    return callWithin(call, (signal) => driver.register(endpoint, signal));
  }

  /** True when there is a registration, false when there will be none. */
  async function registerUntilDone(): Promise<boolean> {
    while (!closing.signal.aborted) {
      try {
        registration = await register();
        backoff.reset();
        tell({ type: 'registered', ttlMs: registration.ttlMs });
        first.resolve();
        return true;
      } catch (error) {
        if (error instanceof RegistrationRefused) {
          tell({ type: 'rejected', error: messageOf(error) });
          first.reject(error);
          return false;
        }
        await retryLater(error, Number.POSITIVE_INFINITY);
      }
    }
    return false;
  }

  function waitForRenewal(delayMs: number): Promise<void> {
    return waitFor(clock, delayMs, AbortSignal.any([closing.signal, news.signal]));
  }

  /** Returns when the system does not know the lease any more, or at `close`. */
  async function renewWhileKnown(known: Registration): Promise<void> {
    const { ttlMs } = known;
    // Anywhere within a third: instances that started together, or came back together, renew apart from then on.
    await waitForRenewal((ttlMs / 3) * clock.random());
    while (!closing.signal.aborted) {
      if (news.signal.aborted) news = new AbortController();
      try {
        const call = { clock, timeoutMs: Math.min(CALL_TIMEOUT_MS, ttlMs / 3), signal: closing.signal };
        await callWithin(call, (signal) => known.renew(endpoint, signal));
        backoff.reset();
        await waitForRenewal(ttlMs / 3);
      } catch (error) {
        if (closing.signal.aborted || error instanceof LeaseLost) return;
        // A system that is there again gives a TTL to come back in, whatever has failed before.
        await retryLater(error, ttlMs / 3);
      }
    }
  }

  async function run(): Promise<void> {
    while (await registerUntilDone()) {
      await renewWhileKnown(registration as Registration);
      if (closing.signal.aborted) return;
      registration = undefined;
      tell({ type: 'lease-lost' });
    }
  }

  /** Tried until its time is over: a system that restarts is about to be there again, and would keep us for a TTL. */
  async function deregister(known: Registration): Promise<void> {
    backoff.reset();
    let why = 'there was no time left';
    while (!givingUp.signal.aborted) {
      try {
        const call = { clock, timeoutMs: CLOSE_TIMEOUT_MS, signal: givingUp.signal };
        await callWithin(call, (signal) => known.remove(signal));
        tell({ type: 'deregistered' });
        return;
      } catch (error) {
        why = messageOf(error);
        await waitFor(clock, backoff.next(), givingUp.signal);
      }
    }
    tell({ type: 'retrying', error: `not deregistered, the lease ends by itself: ${why}`, delayMs: 0 });
  }

  async function end(): Promise<void> {
    closing.abort(new Error('the registrar is closed'));
    first.reject(new Error('closed before it was registered'));
    const limit = clock.after(CLOSE_TIMEOUT_MS, () => givingUp.abort(new Error('the time to deregister is over')));
    await running;
    if (registration !== undefined) await deregister(registration);
    limit.cancel();
    await driver.close();
  }

  const running = run();
  let ending: Promise<void> | undefined;
  return {
    registered: first.promise,
    update(update) {
      endpoint = { ...endpoint, ...update };
      news.abort();
    },
    close: () => (ending ??= end()),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
