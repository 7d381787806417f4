/** Bytes from pushes to an async iterable; `onTaken` is told what the reader took. */
export interface BytePipe extends AsyncIterable<Uint8Array> {
  push(bytes: Uint8Array): void;
  end(): void;
  fail(error: Error): void;
}

export function createBytePipe(onTaken: (bytes: number) => void): BytePipe {
  const chunks: Uint8Array[] = [];
  let end: { error: Error | undefined } | undefined;
  let wake = Promise.withResolvers<void>();
  const notify = (): void => {
    wake.resolve();
    wake = Promise.withResolvers();
  };
  return {
    push(bytes) {
      chunks.push(new Uint8Array(bytes));
      notify();
    },
    end() {
      end ??= { error: undefined };
      notify();
    },
    fail(error) {
      end ??= { error };
      notify();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        const chunk = chunks.shift();
        if (chunk !== undefined) {
          onTaken(chunk.length);
          yield chunk;
        } else if (end !== undefined) {
          if (end.error !== undefined) throw end.error;
          return;
        } else {
          await wake.promise;
        }
      }
    },
  };
}

/** Credit that an async writer waits for. */
export interface Credit {
  grant(bytes: number): void;
  /** Resolves with how much of `wanted` may be written now, at least 1. */
  take(wanted: number): Promise<number>;
}

export function createCredit(initialBytes: number): Credit {
  const state = { left: initialBytes };
  let wake = Promise.withResolvers<void>();
  return {
    grant(bytes) {
      state.left += bytes;
      wake.resolve();
      wake = Promise.withResolvers();
    },
    async take(wanted) {
      while (state.left === 0) await wake.promise;
      const taken = Math.min(state.left, wanted);
      state.left -= taken;
      return taken;
    },
  };
}
