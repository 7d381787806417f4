import type { CallScope } from './call-scope.ts';

/** Answers on their way to a caller through interceptors; the call's scope ends with them. */
export function watchMessages<T>(messages: AsyncIterable<T>, scope: CallScope): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = messages[Symbol.asyncIterator]();
      return {
        async next() {
          try {
            const result = await iterator.next();
            if (result.done === true) scope.end();
            return result;
          } catch (thrown) {
            throw scope.fail(thrown);
          }
        },
        async return(value?: unknown) {
          await iterator.return?.();
          scope.end();
          return { done: true, value };
        },
      };
    },
  };
}
