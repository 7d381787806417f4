import type { DescMessage, Message } from '@bufbuild/protobuf';
import { normalize } from '../codec/message-codec.ts';
import { oneMessage } from './single-request-call.ts';

/** The only message of a stream that must have one. */
export async function ensureSingle(messages: AsyncIterable<Message>): Promise<Message> {
  const iterator = messages[Symbol.asyncIterator]();
  const first = await iterator.next();
  if (first.done === true) throw oneMessage('missing input message for server-streaming method');
  const second = await iterator.next();
  if (second.done !== true) throw oneMessage('received extra input message for server-streaming method');
  return first.value;
}

/** One message as a stream. */
export async function* streamOf<T>(message: T): AsyncGenerator<T> {
  yield message;
}

/** Makes full messages of what a handler gives: interceptors see those. */
export async function* normalizeAll(desc: DescMessage, outputs: AsyncIterable<unknown>): AsyncGenerator<Message> {
  for await (const output of outputs) yield normalize(desc, output);
}
