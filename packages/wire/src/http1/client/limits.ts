/** Bounds on what one backend over HTTP/1.1 may cost. */
export interface Http1ClientLimits {
  /** Time for a TCP connection to stand, in milliseconds. Default 1,000; 10 to 60,000. */
  readonly connectTimeoutMs: number;
  /** Time from there until TLS stands, in milliseconds: many handshakes at once take their time. Default 10,000. */
  readonly tlsTimeoutMs: number;
  /**
   * How long a connection without a call is kept, in milliseconds; less where the backend says less by `keep-alive`.
   * Default 71,000: 4 s less than what most servers wait, since a call on a connection that is being closed is lost.
   */
  readonly idleTimeoutMs: number;
  /** Calls that wait for a connection. Beyond: `unavailable`, never sent. Default 1,024. */
  readonly maxQueuedCalls: number;
  /** Bytes of one response head, and of its trailers. Default 16,384. */
  readonly maxHeaderBytes: number;
  /** Fields in one response head or trailer. Default 100. */
  readonly maxHeaderPairs: number;
  /** Non-final (1xx) responses per call. Default 20. */
  readonly maxInformational: number;
}

export const DEFAULT_HTTP1_CLIENT_LIMITS: Http1ClientLimits = {
  connectTimeoutMs: 1000,
  tlsTimeoutMs: 10_000,
  idleTimeoutMs: 71_000,
  maxQueuedCalls: 1024,
  maxHeaderBytes: 16_384,
  maxHeaderPairs: 100,
  maxInformational: 20,
};
