import { fromBinary, toBinary, type Message } from '@bufbuild/protobuf';
import type { GenMessage } from '@bufbuild/protobuf/codegenv2';

const LENGTH_BYTES = 4;

/** Messages as the suite's programs exchange them over standard input and output: four bytes of length, then bytes. */
export async function* readMessages(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = Buffer.alloc(0);
  for await (const chunk of input) {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= LENGTH_BYTES) {
      const end = LENGTH_BYTES + rest.readUInt32BE(0);
      if (rest.length < end) break;
      yield new Uint8Array(rest.subarray(LENGTH_BYTES, end));
      rest = rest.subarray(end);
    }
  }
  if (rest.length > 0) throw new Error('the input ends in the middle of a message');
}

/** The next message alone. */
export async function readMessage<T extends Message>(
  input: AsyncIterable<Uint8Array>,
  schema: GenMessage<T>,
): Promise<T> {
  for await (const bytes of readMessages(input)) return fromBinary(schema, bytes);
  throw new Error(`the input ends before its ${schema.name}`);
}

/** A message to be written. */
export function encodeMessage<T extends Message>(schema: GenMessage<T>, message: T): Uint8Array {
  const bytes = toBinary(schema, message);
  const out = Buffer.allocUnsafe(LENGTH_BYTES + bytes.length);
  out.writeUInt32BE(bytes.length);
  out.set(bytes, LENGTH_BYTES);
  return out;
}
