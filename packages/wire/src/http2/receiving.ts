import { putWindowUpdate } from './control.ts';
import { ConnectionFault, ErrorCode } from './errors.ts';
import { createReceiveWindow, shouldAnnounce, takeAnnouncement, takeReceived, type ReceiveWindow } from './flow.ts';
import type { Outbox } from './outbox.ts';
import type { SendingStream } from './sending-stream.ts';

/**
 * What one connection lets its peer send (RFC 9113, 6.9): the connection's own window is given back on receipt, so that
 * one slow reader stalls nobody else, and each stream's window as its reader makes room.
 */
export class Receiving {
  readonly #outbox: Outbox;
  readonly #window: ReceiveWindow;
  readonly #announcing = new Set<SendingStream>();

  constructor(outbox: Outbox, connectionWindowBytes: number) {
    this.#outbox = outbox;
    this.#window = createReceiveWindow(connectionWindowBytes);
  }

  /** Counts DATA for the connection, padding too. Throws when the peer sent more than it may. */
  received(flowBytes: number): void {
    if (!takeReceived(this.#window, flowBytes)) {
      throw new ConnectionFault(ErrorCode.flowControlError, 'more DATA than the connection window allows');
    }
    this.#window.returned += flowBytes;
    if (shouldAnnounce(this.#window)) this.#outbox.schedule();
  }

  /** The reader of a stream made room; `stream.receive.returned` has been raised. */
  granted(stream: SendingStream): void {
    if (!shouldAnnounce(stream.receive)) return;
    this.#announcing.add(stream);
    this.#outbox.schedule();
  }

  /** Adds the WINDOW_UPDATE frames of this turn. */
  announce(): void {
    const outbox = this.#outbox;
    if (shouldAnnounce(this.#window)) putWindowUpdate(outbox, 0, takeAnnouncement(this.#window));
    if (this.#announcing.size === 0) return;
    for (const stream of this.#announcing) {
      if (stream.state === 'closed') continue;
      const increment = takeAnnouncement(stream.receive);
      if (increment > 0) putWindowUpdate(outbox, stream.id, increment);
    }
    this.#announcing.clear();
  }

  clear(): void {
    this.#announcing.clear();
  }
}
