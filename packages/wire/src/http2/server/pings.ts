import { putPing } from '../control.ts';
import type { Frame } from '../frames.ts';
import type { Outbox } from '../outbox.ts';

/** What a PING of ours is for: a sign of life, or to learn that our GOAWAY was read. */
export type PingUse = 'keepalive' | 'notice';

const OPAQUE: Readonly<Record<PingUse, Buffer>> = {
  keepalive: Buffer.from('keepaliv', 'latin1'),
  notice: Buffer.from('draining', 'latin1'),
};

/** The PINGs that a server sends (RFC 9113, 6.7). Each use has its own eight bytes, by which its answer is known. */
export class Pings {
  /** When the keepalive was sent that has no answer yet; Infinity without one. */
  sentMs = Infinity;
  readonly #outbox: Outbox;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  send(use: PingUse, nowMs = Infinity): void {
    if (use === 'keepalive') this.sentMs = nowMs;
    putPing(this.#outbox, OPAQUE[use]);
  }

  /** What an acknowledgement answers; undefined for none of ours. */
  take(frame: Frame): PingUse | undefined {
    const bytes = frame.bytes.subarray(frame.start, frame.end);
    if (OPAQUE.notice.equals(bytes)) return 'notice';
    if (!OPAQUE.keepalive.equals(bytes)) return undefined;
    this.sentMs = Infinity;
    return 'keepalive';
  }
}
