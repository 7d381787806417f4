/** What reading a message may cost. Kept apart from the code so that tests can take smaller ones. */
export interface DecodeLimits {
  /** Larger messages are read in the background. Bytes, after decompression. */
  readonly maxThreadBytes: number;
  /** Messages with more values are read in the background. */
  readonly maxThreadNodes: number;
  /**
   * Values in one message: objects, lists and scalars. 4 MiB of empty messages are two million objects and half a
   * second of work, so bytes alone bound nothing.
   */
  readonly maxNodes: number;
  /** Messages within messages, as protobuf-es has it. */
  readonly maxDepth: number;
}

export const DECODE_LIMITS: DecodeLimits = {
  maxThreadBytes: 1_048_576,
  maxThreadNodes: 25_000,
  maxNodes: 100_000,
  maxDepth: 100,
};

/** A value and what separates it from the next take at least so many bytes of JSON. */
export const MIN_JSON_BYTES_PER_NODE = 2;
