/**
 * What calls inherit that are made inside a handler: its call's end in time, and its end before its time. A kit's call
 * is one, so that nothing is made for handlers that make no calls.
 */
export interface AmbientCall {
  /** Absolute, monotonic milliseconds of the system's clock; undefined is no deadline. */
  readonly deadlineMs: number | undefined;
  /**
   * Aborted when the call is over. The reason is a ConnectError of `canceled` or `deadline_exceeded` where its caller
   * gave it up or its time ran out, and another where the handler ended it.
   */
  readonly signal: AbortSignal;
}

/**
 * The call that the running code works for, so that calls it makes inherit the deadline without a word of the user.
 * Where there is a store for it (Node's AsyncLocalStorage), whoever runs handlers installs it.
 */
let current: (() => AmbientCall | undefined) | undefined;

/** Installs the way to find the call; the last one counts. */
export function installAmbient(find: () => AmbientCall | undefined): void {
  current = find;
}

/** The call in whose handler this runs; undefined outside of any. */
export function ambientCall(): AmbientCall | undefined {
  return current?.();
}
