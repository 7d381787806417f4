import type { Clock } from '@bascule/core';
import { UnimplementedProbe } from './health-checks.ts';

/** How a probe ended. */
export type Answer =
  | { readonly kind: 'passed' }
  | { readonly kind: 'failed'; readonly why: string }
  /** There is nobody to ask: see {@link UnimplementedProbe}. */
  | { readonly kind: 'unimplemented' };

/** Something under way that ends by itself, or is ended. */
export interface Underway {
  /** Ends it; nothing more is heard of it. */
  cancel(): void;
}

/** What several probes share. */
export interface ProbeContext {
  readonly clock: Clock;
  /** Holds what is under way, so that a close can wait for it. */
  readonly running: Set<Promise<void>>;
}

/** A timer that is later than this many times its delay was held up with everything else in this process. */
const PAUSE_FACTOR = 2;

/** Asks once, for at most `timeoutMs`. `onAnswer` is called once, or never after `cancel`. */
export function ask(
  context: ProbeContext,
  timeoutMs: number,
  probe: (signal: AbortSignal) => Promise<void>,
  onAnswer: (answer: Answer) => void,
): Underway {
  return run(context, timeoutMs, (signal) => probe(signal), onAnswer);
}

/**
 * Watches until the probe ends. `onStatus` hears every answer; `onEnd` is called once, or never after `cancel`. A first
 * answer that takes more than `timeoutMs` ends it.
 */
export function watch(
  context: ProbeContext,
  timeoutMs: number,
  probe: (signal: AbortSignal, onStatus: (why: string | undefined) => void) => Promise<void>,
  listener: { onStatus(why: string | undefined): void; onEnd(answer: Answer): void },
): Underway {
  const start = (signal: AbortSignal, onAnswered: () => void): Promise<void> =>
    probe(signal, (why) => {
      if (signal.aborted) return;
      onAnswered();
      listener.onStatus(why);
    });
  return run(context, timeoutMs, start, (answer) => listener.onEnd(answer));
}

/** `start` tells by `onAnswered` that time is no matter any more. The first end is the only one. */
function run(
  { clock, running }: ProbeContext,
  timeoutMs: number,
  start: (signal: AbortSignal, onAnswered: () => void) => Promise<void>,
  onEnd: (answer: Answer) => void,
): Underway {
  const abort = new AbortController();
  const { signal } = abort;
  const cancel = (): void => {
    timer.cancel();
    abort.abort();
  };
  const end = (answer: Answer): void => {
    if (signal.aborted) return;
    cancel();
    onEnd(answer);
  };
  let startedMs = clock.nowMs();
  const expire = (): void => {
    // After a pause of this process answers may wait to be read: without this, all others would look dead.
    if (clock.nowMs() - startedMs > PAUSE_FACTOR * timeoutMs) {
      startedMs = clock.nowMs();
      timer = clock.after(timeoutMs, expire);
    } else end({ kind: 'failed', why: `no answer within ${timeoutMs} ms` });
  };
  let timer = clock.after(timeoutMs, expire);
  const ended: Promise<void> = settle(() => start(signal, () => timer.cancel())).then((answer) => {
    running.delete(ended);
    end(answer);
  });
  running.add(ended);
  return { cancel };
}

async function settle(probe: () => Promise<void>): Promise<Answer> {
  try {
    await probe();
    return { kind: 'passed' };
  } catch (error) {
    if (error instanceof UnimplementedProbe) return { kind: 'unimplemented' };
    return { kind: 'failed', why: error instanceof Error ? error.message : String(error) };
  }
}
