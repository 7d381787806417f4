import type { Body, Clock, Reply, RequestHead, Service } from '@bascule/core';
import type { Format } from './format.ts';

/** What the edges of all dialects share. */
export interface EdgeContext {
  readonly next: Service;
  readonly clock: Clock;
  readonly maxMessageBytes: number;
  /** Largest length-prefixed message passed on. */
  readonly maxFramedBytes: number;
  /** Largest answer kept for a caller that needs it whole. */
  readonly maxAnswerBytes: number;
}

/** Starts a call that came in one dialect. */
export type Edge<F extends Format> = (head: RequestHead, reply: Reply, format: F) => Body;

/** Sets what the dialect tells of a call. */
export function noteRequest(head: RequestHead, clock: Clock, timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined) head.call.deadlineMs = clock.nowMs() + timeoutMs;
}
