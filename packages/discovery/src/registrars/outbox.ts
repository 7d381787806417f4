/** Messages of a stream in the order in which they are put in. Read once. */
export interface Outbox<T> extends AsyncIterable<T> {
  push(message: T): void;
  /** Nothing more comes. */
  end(): void;
}

export function createOutbox<T>(): Outbox<T> {
  const messages: T[] = [];
  let isEnded = false;
  let waiting = Promise.withResolvers<void>();

  return {
    push(message) {
      messages.push(message);
      waiting.resolve();
    },
    end() {
      isEnded = true;
      waiting.resolve();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        for (let message = messages.shift(); message !== undefined; message = messages.shift()) yield message;
        if (isEnded) return;
        await waiting.promise;
        waiting = Promise.withResolvers();
      }
    },
  };
}
