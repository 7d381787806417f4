import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '@bascule/core';
import type { WebSocket } from 'ws';
import { FrameWriter } from './frame-writer.ts';

export interface OutletOptions {
  readonly clock: Clock;
  readonly webSocket: WebSocket;
  /** What `webSocket` runs on: tells when a slow peer has caught up. */
  readonly socket: Duplex;
  /** Bytes that may wait before nothing more is read. */
  readonly maxBufferedBytes: number;
  /** Milliseconds a peer may take nothing of what waits for it. */
  readonly stallMs: number;
  /** The peer has caught up. */
  drained(): void;
  /** The peer has taken nothing for too long. */
  stalled(): void;
}

/** The way out of a socket: frames leave together, and a peer that reads slowly is known as such. */
export class Outlet {
  readonly writer = new FrameWriter();
  private readonly options: OutletOptions;
  /** Set while the peer is behind. */
  private stall: Timer | undefined;

  constructor(options: OutletOptions) {
    this.options = options;
    options.socket.on('drain', () => this.drained());
  }

  /** True while bytes wait for the peer: whoever has more is to wait as well. */
  isBehind(): boolean {
    return this.stall !== undefined;
  }

  /** Sends what was gathered as one message. */
  flush(): void {
    if (this.writer.length === 0) return;
    const { webSocket, socket, maxBufferedBytes } = this.options;
    webSocket.send(this.writer.take(), { binary: true, compress: false });
    if (this.stall === undefined && socket.writableNeedDrain) this.watchStall(webSocket.bufferedAmount);
    // Credit bounds what calls write, not how many calls a peer opens whose answers it never reads.
    if (webSocket.bufferedAmount > maxBufferedBytes && !webSocket.isPaused) webSocket.pause();
  }

  close(): void {
    this.stall?.cancel();
    this.stall = undefined;
    this.writer.clear();
  }

  private drained(): void {
    if (this.stall === undefined) return;
    this.stall.cancel();
    this.stall = undefined;
    if (this.options.webSocket.isPaused) this.options.webSocket.resume();
    this.options.drained();
  }

  // A peer that takes nothing holds memory for as long as it likes; one that takes slowly is left alone.
  private watchStall(waitingBytes: number): void {
    const { clock, webSocket, stallMs } = this.options;
    this.stall = clock.after(stallMs, () => {
      const now = webSocket.bufferedAmount;
      if (now < waitingBytes) this.watchStall(now);
      else this.options.stalled();
    });
  }
}
