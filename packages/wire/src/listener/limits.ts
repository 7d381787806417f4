/** What one listener lets its peers take. */
export interface ListenLimits {
  /** Open connections; one more is closed at once. Default 10,000. */
  readonly maxConnections: number;
  /** Bytes of a request head, HTTP/1.1 and HTTP/2. Default 16 KiB. */
  readonly maxHeaderBytes: number;
  /** Fields of a request head. Default 100. */
  readonly maxHeaderPairs: number;
  /** Milliseconds for the first bytes of a connection, and for the SETTINGS behind a preface, to arrive. Default 5,000. */
  readonly prefaceTimeoutMs: number;
  /** Milliseconds for a request head, and for a TLS handshake, to arrive. Default 10,000. */
  readonly headersTimeoutMs: number;
  /** Milliseconds an HTTP/1.1 connection may wait for its next request. Default 75,000. */
  readonly keepAliveTimeoutMs: number;
  /** Milliseconds an HTTP/2 connection may have no open stream before GOAWAY. Default 300,000. */
  readonly sessionIdleMs: number;
  /** Milliseconds, give or take a tenth, after which an HTTP/2 connection gets GOAWAY; open streams finish. Default 1,800,000. */
  readonly sessionAgeMs: number;
  /** Milliseconds for our SETTINGS to be acknowledged. Default 10,000; 0 waits for ever. */
  readonly settingsAckTimeoutMs: number;
  /** Milliseconds without a byte of an HTTP/2 peer after which it gets a PING. Default 60,000; 0 sends none. */
  readonly keepaliveMs: number;
  /** Milliseconds such a PING may stay without an answer before the connection counts as dead. Default 20,000. */
  readonly keepaliveTimeoutMs: number;
  /** Milliseconds a peer may take nothing of a reply that waits for it. Default 30,000. */
  readonly writeStallMs: number;
  /** Milliseconds the rest of an upload is read and dropped after an early HTTP/1.1 answer, so that the answer arrives. Default 2,000. */
  readonly lingerMs: number;
  /** Open streams per HTTP/2 connection. Default 128. */
  readonly maxStreams: number;
  /** Reset streams per HTTP/2 connection whose callee still works; beyond it new streams are refused. Default 256. */
  readonly maxUnsettledStreams: number;
  /** Bytes in flight per HTTP/2 connection, all uploads together. Default 1 MiB. */
  readonly connectionWindowBytes: number;
  /** Largest window of one upload in bytes; windows start at 65,535 and grow while their reader keeps up. Default 1 MiB. */
  readonly maxStreamWindowBytes: number;
  /** Bytes that may wait for an HTTP/2 peer, per connection: answers beyond it are broken off. Default 10 MiB. */
  readonly maxSessionBytes: number;
  /** Streams an HTTP/2 peer may reset in one burst before it is disconnected. Default 200. */
  readonly resetBurst: number;
  /** Resets per second that are forgiven. Default 20. */
  readonly resetPerSecond: number;
  /** CONTINUATION frames after one HEADERS. Default 8. */
  readonly maxContinuations: number;
  /** SETTINGS frames per second of one HTTP/2 peer. Default 50. */
  readonly settingsPerSecond: number;
  /** PING frames per second of one HTTP/2 peer, beside the first one after an answer of ours. Default 100. */
  readonly pingsPerSecond: number;
  /** WINDOW_UPDATE frames per second of one HTTP/2 peer, beside ten for each HEADERS or DATA frame it gets. Default 1,000. */
  readonly windowUpdatesPerSecond: number;
  /** PRIORITY frames per second of one HTTP/2 peer. Default 200. */
  readonly prioritiesPerSecond: number;
  /** DATA frames per second of one HTTP/2 peer that are empty or more padding than data. Default 500. */
  readonly emptyDataPerSecond: number;
}

export const DEFAULT_LISTEN_LIMITS: ListenLimits = Object.freeze({
  maxConnections: 10_000,
  maxHeaderBytes: 16_384,
  maxHeaderPairs: 100,
  prefaceTimeoutMs: 5_000,
  headersTimeoutMs: 10_000,
  keepAliveTimeoutMs: 75_000,
  sessionIdleMs: 300_000,
  sessionAgeMs: 1_800_000,
  settingsAckTimeoutMs: 10_000,
  keepaliveMs: 60_000,
  keepaliveTimeoutMs: 20_000,
  writeStallMs: 30_000,
  lingerMs: 2_000,
  maxStreams: 128,
  maxUnsettledStreams: 256,
  connectionWindowBytes: 1_048_576,
  maxStreamWindowBytes: 1_048_576,
  maxSessionBytes: 10_485_760,
  resetBurst: 200,
  resetPerSecond: 20,
  maxContinuations: 8,
  settingsPerSecond: 50,
  pingsPerSecond: 100,
  windowUpdatesPerSecond: 1_000,
  prioritiesPerSecond: 200,
  emptyDataPerSecond: 500,
});
