/** What one WebSocket may take, beside {@link ListenLimits}, which bound calls, heads, floods, age and silence alike. */
export interface WebSocketLimits {
  /** Bytes of one WebSocket message, which may hold many frames; larger ones close with 1009. Default 128 KiB, at least 1,024. */
  readonly maxMessageBytes: number;
  /** Bytes that may wait for a slow peer before nothing more is read from it. Default 1 MiB. */
  readonly maxBufferedBytes: number;
  /** Milliseconds between pings. Default 30,000. */
  readonly pingIntervalMs: number;
  /** Milliseconds for any byte to come after a ping; else the peer counts as gone. Default 10,000. */
  readonly pongTimeoutMs: number;
  /** Milliseconds for a peer to see the notice before the last call id is said. Default 5,000. */
  readonly noticeTimeoutMs: number;
  /** Milliseconds for the peer's close frame after ours. Default 2,000. */
  readonly closeTimeoutMs: number;
}

export const DEFAULT_WEBSOCKET_LIMITS: WebSocketLimits = Object.freeze({
  maxMessageBytes: 131_072,
  maxBufferedBytes: 1_048_576,
  pingIntervalMs: 30_000,
  pongTimeoutMs: 10_000,
  noticeTimeoutMs: 5_000,
  closeTimeoutMs: 2_000,
});
