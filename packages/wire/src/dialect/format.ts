import type { DialectName, Fields } from '@bascule/core';

/** A whole answer that is known at once: refusals, errors before the first message. */
export interface StandAlone {
  readonly status: number;
  readonly fields: string[];
  readonly bytes: Uint8Array | undefined;
}

/** How a dialect with one content type says things. Stateless: one object serves all calls. */
export interface Format {
  readonly dialect: DialectName;
  /** Media type of the inner dialect: `application/grpc`, `+proto` or `+json`. */
  readonly innerType: string;
  /** An answer without messages, from trailers that hold `grpc-status`. */
  standAlone(trailers: Fields): StandAlone;
}

/** A format whose bodies are length-prefixed messages both ways. */
export interface StreamFormat extends Format {
  /** Fields of the answer's head, from those of the inner head. */
  headFields(inner: Fields): string[];
  /** Bytes that say the trailers in the body; undefined where HTTP trailers say them. */
  lastBytes(trailers: Fields): Uint8Array | undefined;
  /** What bodies are written in beside bytes. */
  readonly text: boolean;
}
