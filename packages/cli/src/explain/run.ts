import type { Explanation } from '@bascule/core';
import { decodeExplanation } from '@bascule/layers';
import { ConnectError, type Interceptor } from '@connectrpc/connect';

const FIELD = 'bascule-explain';

/** What the gateway said of the last call. */
export interface ExplanationReader {
  readonly interceptor: Interceptor;
  /** Undefined when it said nothing. */
  explanation(): Explanation | undefined;
}

/** Reads the explanation out of a call's trailers, or of the error that it ended with. */
export function createExplanationReader(): ExplanationReader {
  let read: () => string | null = () => null;
  return {
    interceptor: (next) => async (request) => {
      try {
        const response = await next(request);
        // Trailers of a stream come when it has been read to its end.
        read = () => response.trailer.get(FIELD);
        return response;
      } catch (thrown) {
        const { metadata } = ConnectError.from(thrown);
        read = () => metadata.get(FIELD);
        throw thrown;
      }
    },
    explanation() {
      const value = read();
      return value === null ? undefined : decodeExplanation(value);
    },
  };
}
