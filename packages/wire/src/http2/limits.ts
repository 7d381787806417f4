/** Bounds on what one peer may cost. Every one of them ends in an error code of RFC 9113, never in growth. */
export interface Http2Limits {
  /** Time for the TCP connection to stand, in milliseconds. Default 1,000; 10 to 60,000. */
  readonly connectTimeoutMs: number;
  /** Time from there until the peer's first SETTINGS, and before that until TLS stands, in milliseconds. Default 5,000; 10 to 60,000. */
  readonly settingsTimeoutMs: number;
  /** Time from the peer's first SETTINGS until it has acknowledged ours, in milliseconds. Default 10,000; 10 to 60,000. */
  readonly settingsAckTimeoutMs: number;
  /** Calls waiting for a connection or a free stream, per link. Beyond: `unavailable`, never sent. Default 1,024. */
  readonly maxQueuedCalls: number;
  /** Header list size (names + values + 32 per field) of one response head or trailer. Default 16,384. RFC 9113, 6.5.2. */
  readonly maxHeaderListBytes: number;
  /** Fields in one response head or trailer. Default 100. */
  readonly maxHeaderPairs: number;
  /** CONTINUATION frames after one HEADERS. Default 8. */
  readonly maxContinuations: number;
  /** SETTINGS frames (acknowledgements too) in any one second. Default 50. */
  readonly maxSettingsPerSecond: number;
  /** PING frames in any one second, beside the first one after a HEADERS or DATA frame of ours. Default 100. */
  readonly maxPingsPerSecond: number;
  /** DATA frames without a byte or END_STREAM, in a row. Default 1,000. */
  readonly maxEmptyData: number;
  /** Non-final (1xx) responses per call. Default 20. */
  readonly maxInformational: number;
  /** What waits for a peer that does not read, per connection, in bytes. Default 10 MiB. */
  readonly maxOutboundBytes: number;
  /** Receive window of a connection in bytes, given back on receipt. Default 4 MiB; 65,535 to 2^31-1. */
  readonly connectionWindowBytes: number;
  /**
   * Largest window of one response in bytes; windows start at 65,535 and grow while their reader keeps up, all of a
   * connection by `connectionWindowBytes` together. Default 1 MiB; 65,535 (no growth) to 2^31-1.
   */
  readonly maxStreamWindowBytes: number;
  /** HPACK dynamic table we allow the peer, in bytes. 0 makes header blocks stateless and cheap to remember. Default 0. */
  readonly headerTableBytes: number;
  /** A connection beyond the first closes after being idle this long, in milliseconds. Default 30,000. */
  readonly surplusIdleMs: number;
}

export const DEFAULT_HTTP2_LIMITS: Http2Limits = {
  connectTimeoutMs: 1000,
  settingsTimeoutMs: 5000,
  settingsAckTimeoutMs: 10_000,
  maxQueuedCalls: 1024,
  maxHeaderListBytes: 16_384,
  maxHeaderPairs: 100,
  maxContinuations: 8,
  maxSettingsPerSecond: 50,
  maxPingsPerSecond: 100,
  maxEmptyData: 1000,
  maxInformational: 20,
  maxOutboundBytes: 10 * 1024 * 1024,
  connectionWindowBytes: 4 * 1024 * 1024,
  maxStreamWindowBytes: 1024 * 1024,
  headerTableBytes: 0,
  surplusIdleMs: 30_000,
};
