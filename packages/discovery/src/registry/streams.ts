import type { Clock } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { unauthenticated } from './access/bearer.ts';
import type { Caller } from './gate.ts';
import type { RegistryLimits } from './limits.ts';
import { createTally } from './tally.ts';

/** Calls that go on: watches and keep-alives. */
export interface Streams {
  /**
   * Lets a stream in, or throws `resource_exhausted`. Its signal aborts with the caller's own, with the registry, and
   * when the caller's token ends; `leave` is to be called once and throws in the last case, for the stream's status.
   */
  enter(caller: Caller, signal: AbortSignal): { readonly signal: AbortSignal; leave(): void };
  readonly size: number;
  /** Ends all of them; they may come again. */
  end(): void;
  /** Ends all of them, and lets no more in. */
  close(): void;
}

export function createStreams(clock: Clock, limits: RegistryLimits): Streams {
  const open = new Map<AbortController, () => void>();
  const perPrincipal = createTally();
  let isClosed = false;

  function endAll(): void {
    for (const end of open.values()) end();
  }

  return {
    enter({ principal, isBounded, untilMs }, signal) {
      if (isClosed) throw new ConnectError('the registry is about to end', Code.Unavailable);
      if (open.size >= limits.maxStreams) throw exhausted(`the registry has ${limits.maxStreams} open streams already`);
      if (isBounded && perPrincipal.of(principal) >= limits.maxStreamsPerPrincipal) {
        throw exhausted(`${principal} has ${limits.maxStreamsPerPrincipal} open streams already, which is its share`);
      }
      const stream = new AbortController();
      const leftMs = untilMs - clock.wallMs();
      const timer = Number.isFinite(leftMs) ? clock.after(leftMs, end) : undefined;

      /** Not only at `leave`: a handler that nobody pulls any more may never come to it. */
      function end(): void {
        if (!open.delete(stream)) return;
        timer?.cancel();
        signal.removeEventListener('abort', end);
        perPrincipal.add(principal, -1);
        stream.abort();
      }

      open.set(stream, end);
      perPrincipal.add(principal, 1);
      if (signal.aborted) end();
      signal.addEventListener('abort', end);
      return {
        signal: stream.signal,
        leave() {
          end();
          if (untilMs <= clock.wallMs()) throw unauthenticated('the token has expired: come again with a new one');
        },
      };
    },
    get size() {
      return open.size;
    },
    end: endAll,
    close() {
      isClosed = true;
      endAll();
    },
  };
}

function exhausted(message: string): ConnectError {
  return new ConnectError(message, Code.ResourceExhausted);
}
