/** Request bytes, pushed by a caller and pulled by a handler. */
export interface RequestBody extends AsyncIterable<Uint8Array> {
  /** Copies `bytes`: they are only lent. */
  push(bytes: Uint8Array): void;
  end(): void;
  /** The handler sees `reason` at its next read; what it has not read yet is gone. */
  fail(reason: Error): void;
}

type State = { type: 'open' } | { type: 'ended' } | { type: 'failed'; reason: Error } | { type: 'unread' };
type Result = IteratorResult<Uint8Array, undefined>;

const DONE: Result = { done: true, value: undefined };

/**
 * `onConsumed` hears how many bytes the handler took. They count from its read on, not from their arrival: a handler
 * that does not read lets no more in than the initial credit.
 */
export function createRequestBody(onConsumed: (bytes: number) => void): RequestBody {
  let state: State = { type: 'open' };
  const queue: Uint8Array[] = [];
  let waiting: PromiseWithResolvers<Result> | undefined;

  function settle(): void {
    const reader = waiting;
    if (reader === undefined || (state.type === 'open' && queue.length === 0)) return;
    waiting = undefined;
    reader.resolve(next());
  }

  function next(): Promise<Result> {
    if (state.type === 'failed') return Promise.reject(state.reason);
    const bytes = queue.shift();
    if (bytes !== undefined) {
      onConsumed(bytes.length);
      return Promise.resolve({ done: false, value: bytes });
    }
    if (state.type !== 'open') return Promise.resolve(DONE);
    waiting = Promise.withResolvers<Result>();
    return waiting.promise;
  }

  // A handler that has stopped reading but goes on answering must not leave its caller stuck in the upload.
  function stopReading(): Promise<Result> {
    if (state.type === 'open') state = { type: 'unread' };
    for (const bytes of queue.splice(0)) onConsumed(bytes.length);
    settle();
    return Promise.resolve(DONE);
  }

  return {
    push(bytes) {
      if (state.type === 'unread') onConsumed(bytes.length);
      if (state.type !== 'open' || bytes.length === 0) return;
      // Not `slice`: of a Buffer, as Node's sockets give it, that is a view and no copy.
      queue.push(new Uint8Array(bytes));
      settle();
    },
    end() {
      if (state.type === 'open') state = { type: 'ended' };
      settle();
    },
    fail(reason) {
      if (state.type === 'failed') return;
      state = { type: 'failed', reason };
      queue.length = 0;
      settle();
    },
    [Symbol.asyncIterator]: () => ({
      next,
      return: stopReading,
      throw: (reason: Error) => stopReading().then(() => Promise.reject(reason)),
    }),
  };
}
