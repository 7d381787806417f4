import { create, type DescMessage, type Message, type MessageInitShape } from '@bufbuild/protobuf';

/** Whole messages of what callers may give in parts. The caller's own clean-up stays reachable. */
export function toMessages(
  input: DescMessage,
  requests: AsyncIterable<MessageInitShape<DescMessage>>,
): AsyncIterable<Message> {
  return {
    [Symbol.asyncIterator]() {
      const iterator = requests[Symbol.asyncIterator]();
      const convert = (result: IteratorResult<MessageInitShape<DescMessage>>): IteratorResult<Message> =>
        result.done === true ? result : { done: false, value: create(input, result.value) };
      return {
        next: () => iterator.next().then(convert),
        ...(iterator.return !== undefined && { return: () => iterator.return?.().then(convert) as never }),
        ...(iterator.throw !== undefined && { throw: (e: unknown) => iterator.throw?.(e).then(convert) as never }),
      };
    },
  };
}
