import { putReset } from './control.ts';
import { ConnectionFault, ErrorCode } from './errors.ts';
import type { Outbox } from './outbox.ts';

/** Who reset a stream that may still get frames. */
type ResetBy = 'by-us' | 'by-peer';

const MAX_REMEMBERED = 1000;

/**
 * Remembers streams that ended by a reset, since frames may still be under way to them (RFC 9113, 5.1). Bounded: what
 * is older than the oldest remembered one gets the benefit of the doubt.
 */
export class ClosedStreams {
  readonly #resets = new Map<number, ResetBy>();
  #forgottenUpTo = 0;

  add(streamId: number, by: ResetBy): void {
    this.#resets.set(streamId, by);
    if (this.#resets.size <= MAX_REMEMBERED) return;
    for (const oldest of this.#resets.keys()) {
      this.#resets.delete(oldest);
      this.#forgottenUpTo = Math.max(this.#forgottenUpTo, oldest);
      return;
    }
  }

  /**
   * What DATA or HEADERS on a closed stream is worth: `ignore` when we reset it and the peer may not know yet, `reset`
   * (a stream error) when the peer itself had reset it, `fault` (a connection error) when it had ended in order.
   */
  meet(streamId: number): 'ignore' | 'reset' | 'fault' {
    const by = this.#resets.get(streamId);
    if (by === 'by-us') return 'ignore';
    if (by === 'by-peer') {
      this.#resets.set(streamId, 'by-us');
      return 'reset';
    }
    return streamId <= this.#forgottenUpTo ? 'ignore' : 'fault';
  }
}

/** Answers a frame on a stream that is over, where it deserves an answer. True when it got one. */
export function answerStray(closed: ClosedStreams, outbox: Outbox, streamId: number, name: string): boolean {
  const worth = closed.meet(streamId);
  if (worth === 'fault') throw new ConnectionFault(ErrorCode.streamClosed, `${name} on a closed stream`);
  if (worth === 'ignore') return false;
  putReset(outbox, streamId, ErrorCode.streamClosed);
  return true;
}
