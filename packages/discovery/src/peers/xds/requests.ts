/** Messages of a stream, given one by one. */
export interface Requests<T> extends AsyncIterable<T> {
  push(message: T): void;
  end(): void;
}

/** What is pushed is sent in order; nobody pushes more than a server has asked for. */
export function createRequests<T>(): Requests<T> {
  const waiting: T[] = [];
  let hasEnded = false;
  let news = Promise.withResolvers<void>();
  return {
    push(message) {
      waiting.push(message);
      news.resolve();
    },
    end() {
      hasEnded = true;
      news.resolve();
    },
    async *[Symbol.asyncIterator]() {
      for (;;) {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) yield next;
        if (hasEnded) return;
        await news.promise;
        news = Promise.withResolvers();
      }
    },
  };
}
