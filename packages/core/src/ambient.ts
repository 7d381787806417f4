import type { CallContext } from './context.ts';

/**
 * The call that the running code works for, so that calls it makes inherit the deadline without a word of the user.
 * Where there is a store for it (Node's AsyncLocalStorage), whoever runs handlers installs it.
 */
let current: (() => CallContext | undefined) | undefined;

/** Installs the way to find the call; the last one counts. */
export function installAmbient(find: () => CallContext | undefined): void {
  current = find;
}

/** The call in whose handler this runs; undefined outside of any. */
export function ambientCall(): CallContext | undefined {
  return current?.();
}
