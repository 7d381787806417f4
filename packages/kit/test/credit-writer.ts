import { INITIAL_CREDIT_BYTES } from '@bascule/core';

/** Writes no more than the reader has room for. */
export interface CreditWriter {
  /** Resolves when all of `bytes` are written, or the writer has stopped. One write at a time. */
  write(bytes: Uint8Array): Promise<void>;
  grant(bytes: number): void;
  /** Drops what is not written yet. */
  stop(): void;
}

type State =
  | { type: 'idle' }
  | { type: 'writing'; rest: Uint8Array }
  | { type: 'waiting'; rest: Uint8Array; written: PromiseWithResolvers<void> }
  | { type: 'stopped' };

const IDLE: State = { type: 'idle' };

/** Splits what is written by credit, beginning with the initial one. */
export function createCreditWriter(write: (bytes: Uint8Array) => void): CreditWriter {
  let creditBytes = INITIAL_CREDIT_BYTES;
  let state: State = IDLE;
  const current = (): State => state;

  /** Ends in `idle`, `waiting` or `stopped`. Grants from inside `write` only count: this loop goes on with them. */
  function flush(rest: Uint8Array): void {
    let left = rest;
    state = { type: 'writing', rest: left };
    while (left.length > 0 && creditBytes > 0) {
      const chunk = left.subarray(0, creditBytes);
      left = left.subarray(chunk.length);
      creditBytes -= chunk.length;
      write(chunk);
      if (current().type === 'stopped') return;
    }
    state = left.length === 0 ? IDLE : { type: 'waiting', rest: left, written: Promise.withResolvers<void>() };
  }

  return {
    async write(bytes) {
      if (state.type === 'stopped') return;
      flush(bytes);
      for (let now = current(); now.type === 'waiting'; now = current()) await now.written.promise;
    },
    grant(bytes) {
      creditBytes += bytes;
      if (state.type !== 'waiting' || creditBytes <= 0) return;
      const { written } = state;
      flush(state.rest);
      written.resolve();
    },
    stop() {
      const before = state;
      state = { type: 'stopped' };
      if (before.type === 'waiting') before.written.resolve();
    },
  };
}
