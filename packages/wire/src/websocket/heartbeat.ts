import type { Duplex } from 'node:stream';
import type { Clock, Timer } from '@bascule/core';
import type { WebSocket } from 'ws';
import type { WebSocketLimits } from './limits.ts';

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly limits: WebSocketLimits;
  readonly webSocket: WebSocket;
  /** Sockets of Node count what they read. */
  readonly socket: Duplex & { readonly bytesRead?: number };
  /** Whether bytes wait for the peer: then its answer may wait as well, and the stall timer judges. */
  isBehind(): boolean;
  /** The peer has answered nothing. */
  lost(): void;
}

/** Asks in intervals whether the peer is still there; a path that was cut in silence shows in no other way. */
export class Heartbeat {
  private readonly options: HeartbeatOptions;
  private timer: Timer;
  private heardBytes = -1;

  constructor(options: HeartbeatOptions) {
    this.options = options;
    this.timer = this.scheduleBeat(options.limits.pingIntervalMs);
  }

  stop(): void {
    this.timer.cancel();
  }

  private scheduleBeat(delayMs: number): Timer {
    return this.options.clock.after(delayMs, () => this.beat());
  }

  private beat(): void {
    const { clock, limits, webSocket, socket } = this.options;
    this.heardBytes = socket.bytesRead ?? 0;
    webSocket.ping();
    this.timer = clock.after(limits.pongTimeoutMs, () => this.judge());
  }

  // Any byte counts, not the pong alone: it may stand behind a long message on a slow path.
  private judge(): void {
    const { limits, socket } = this.options;
    if ((socket.bytesRead ?? 0) === this.heardBytes && !this.options.isBehind()) return this.options.lost();
    this.timer = this.scheduleBeat(Math.max(0, limits.pingIntervalMs - limits.pongTimeoutMs));
  }
}
