import { AsyncLocalStorage } from 'node:async_hooks';
import { installAmbient, type AmbientCall } from '@bascule/core';

/** A call whose handler may be running. */
interface WorkingCall extends AmbientCall {
  /** The handler has begun and has not settled. */
  isWorking(): boolean;
}

const storage = new AsyncLocalStorage<WorkingCall>();

/**
 * Lets code that a handler runs, however deep, find the call it works for: `ambientCall` of core. Work that outlives its
 * handler belongs to no call: a deadline that is over would end what the handler has left to run on its own.
 */
export function installAmbientCalls(): void {
  installAmbient(() => {
    const call = storage.getStore();
    return call?.isWorking() === true ? call : undefined;
  });
}

/**
 * Runs `fn(call, argument)` for a call. What it awaits and what it starts stay in it; what comes from outside enters anew,
 * as when a message that has left makes room for the next.
 */
export function runFor<Call extends WorkingCall, Argument>(
  call: Call,
  fn: (call: Call, argument: Argument) => void,
  argument: Argument,
): void {
  storage.run(call, fn, call, argument);
}
