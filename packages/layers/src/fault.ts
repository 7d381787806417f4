import {
  callError,
  Code,
  codeName,
  getField,
  type CallError,
  type Clock,
  type FaultPolicy,
  type Layer,
  type RequestHead,
  type Timer,
} from '@bascule/core';
import { HeldCall, type HeldParts } from './held-call.ts';
import { refuseCall } from './refusal.ts';

/**
 * Delays and ends calls on purpose, as `policy.fault` says, so that people can see what theirs do then. Delay and abort
 * are drawn on their own; a call may get both, the delay first. Says so in the error, for whoever has forgotten that it
 * is on. Source of the shape: Envoy's fault filter.
 */
export function createFaultLayer(options: { readonly clock: Clock }): Layer {
  const { clock } = options;
  return (next) => (head, reply) => {
    const { fault } = head.call.policy;
    if (fault === undefined || !isMeant(head, fault)) return next(head, reply);
    const delayMs = isDrawn(fault.delay?.percent, clock) ? (fault.delay?.ms ?? 0) : 0;
    const error = isDrawn(fault.abort?.percent, clock) ? abortOf(fault) : undefined;
    note(head, delayMs, error);
    if (delayMs > 0) return new DelayedCall({ head, reply, next }, { clock, delayMs, error });
    return error === undefined ? next(head, reply) : refuseCall(reply, error);
  };
}

function isMeant(head: RequestHead, { header }: FaultPolicy): boolean {
  if (header === undefined) return true;
  const value = getField(head.fields, header.name.toLowerCase());
  return value !== undefined && (header.value === undefined || header.value === value);
}

function isDrawn(percent: number | undefined, clock: Clock): boolean {
  return percent !== undefined && clock.random() * 100 < percent;
}

function abortOf({ abort }: FaultPolicy): CallError {
  const message = 'ended on purpose by fault injection: the policy of this call has a fault';
  return callError(abort?.code ?? Code.unavailable, message, 'never-sent');
}

function note({ call }: RequestHead, delayMs: number, error: CallError | undefined): void {
  if (call.explanation === undefined) return;
  if (delayMs > 0) call.explanation.notes.push(`fault: delayed by ${delayMs} ms on purpose`);
  if (error !== undefined) call.explanation.notes.push(`fault: ended with ${codeName(error.code)} on purpose`);
}

interface Delay {
  readonly clock: Clock;
  readonly delayMs: number;
  /** What comes after the delay; undefined is the call itself. */
  readonly error: CallError | undefined;
}

class DelayedCall extends HeldCall {
  readonly #timer: Timer;

  constructor(parts: HeldParts, { clock, delayMs, error }: Delay) {
    super(parts);
    const leftMs = Math.ceil((parts.head.call.deadlineMs ?? Infinity) - clock.nowMs());
    const end = leftMs <= delayMs ? callError(Code.deadlineExceeded, LATE, 'never-sent') : error;
    this.#timer = clock.after(Math.min(leftMs, delayMs), () => {
      if (end === undefined) this.start();
      else this.refuse(end);
    });
  }

  protected override onOver(): void {
    this.#timer.cancel();
  }
}

const LATE = 'the deadline was over during a delay made on purpose by fault injection';
