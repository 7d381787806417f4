import { create, toBinary, type DescMessage, type Message } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, StringValueSchema } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import { BinaryEncoder } from '../src/codec/binary-encoder.ts';
import { MessageBuffer } from '../src/codec/message-buffer.ts';
import { arbitraryMessage, loadEveryMessage } from './every-message.ts';

const every = loadEveryMessage();

/** What the encoder makes behind what is there already; undefined where it leaves it to protobuf-es. */
function encode(desc: DescMessage, message: Message, out = new MessageBuffer()): string | undefined {
  const before = out.length;
  if (BinaryEncoder.of(desc).tryWrite(out, message)) return out.bytes.toString('hex', before, out.length);
  expect(out.length, 'nothing stays of a message that was given up').toBe(before);
  return undefined;
}

function reference(desc: DescMessage, message: Message): string | undefined {
  try {
    return Buffer.from(toBinary(desc, message)).toString('hex');
  } catch {
    return undefined;
  }
}

const RUNS = fuzzing(400);
const TIMEOUT_MS = fuzzTimeoutMs(60_000);

describe('the binary encoder', () => {
  const WHOLE = ['test.v3.Every', 'test.v2.Every', 'google.protobuf.FileDescriptorProto', 'google.protobuf.Value'];
  it.each(WHOLE)(
    `writes %s as protobuf-es does (FUZZ_SEED=${RUNS.seed})`,
    (name) => {
      const desc = descOf(name);
      // What is still in a used buffer, and where in it a message begins, must not show.
      const out = new MessageBuffer();
      fc.assert(
        fc.property(arbitraryMessage(desc), (message) => {
          if (out.length > 100_000) out.length = 0;
          const expected = reference(desc, message);
          // Where a required field is missing, both refuse.
          if (name.startsWith('test.v3')) expect(expected).toBeDefined();
          expect(encode(desc, message, out)).toBe(expected);
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  it.each(['test.v3.Every', 'test.v2.Every', 'test.v2.Strict', 'test.v3.Left'])(
    `writes nothing of its own where values of %s are not of their types (FUZZ_SEED=${RUNS.seed})`,
    (name) => {
      const desc = descOf(name);
      fc.assert(
        fc.property(arbitraryMessage(desc, true), (message) => {
          const encoded = encode(desc, message);
          if (encoded !== undefined) expect(encoded).toBe(reference(desc, message));
        }),
        RUNS,
      );
    },
    TIMEOUT_MS,
  );

  it('takes what generated types have, and leaves the rest', () => {
    const desc = descOf('test.v3.Left');
    expect(encode(desc, create(desc, { name: 'plain' }))).toBe('3205706c61696e');
    expect(encode(desc, create(desc, { fields: {} }))).toBeUndefined();
    expect(encode(StringValueSchema, create(FileDescriptorProtoSchema))).toBeUndefined();
  });

  it('grows, and says lengths of any size', () => {
    const desc = descOf('test.v3.Every');
    for (const count of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
      const message = create(desc, {
        oneBytes: new Uint8Array(count).fill(7),
        oneEvery: { oneString: 'x'.repeat(count) },
      });
      expect(encode(desc, message) === reference(desc, message), `${count} bytes`).toBe(true);
    }
  });

  it('gives up messages that hold themselves', () => {
    const desc = descOf('test.v3.Every');
    const message = create(desc) as Message & { oneEvery?: Message };
    message.oneEvery = message;
    expect(encode(desc, message)).toBeUndefined();
  });
});

function descOf(name: string): DescMessage {
  return name === 'google.protobuf.FileDescriptorProto' ? FileDescriptorProtoSchema : every(name);
}
