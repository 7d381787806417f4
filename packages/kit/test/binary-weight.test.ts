import { create, createFileRegistry, fromBinary, toBinary, type DescMessage, type Message } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { weighBinary } from '../src/codec/binary-weight.ts';

const TYPES = [
  Type.INT32,
  Type.INT64,
  Type.FIXED64,
  Type.FLOAT,
  Type.STRING,
  Type.BYTES,
  Type.BOOL,
  Type.MESSAGE,
] as const;
const NAMES = ['int32', 'int64', 'fixed64', 'float', 'text', 'blob', 'flag', 'node'];

/** A message with a field of each type: 1 to 8 repeated, 9 to 16 single. */
const Node = createNode();

function createNode(): DescMessage {
  const fields = (offset: number, label: Label) =>
    TYPES.map((type, i) => ({
      name: `${NAMES[i]}${offset}`,
      number: offset + i,
      type,
      label,
      ...(type === Type.MESSAGE ? { typeName: '.test.Node' } : {}),
    }));
  const file = create(FileDescriptorProtoSchema, {
    name: 'node.proto',
    package: 'test',
    syntax: 'proto3',
    messageType: [{ name: 'Node', field: [...fields(1, Label.REPEATED), ...fields(9, Label.OPTIONAL)] }],
  });
  return createFileRegistry(create(FileDescriptorSetSchema, { file: [file] })).getMessage('test.Node') as DescMessage;
}

const EMPTY_MESSAGES = Array.from({ length: 20 }, () => [0x42, 0]).flat();
const LIMITS = { maxObjects: 5, maxDepth: 100 };

/** What decoding has made: messages, unknown fields, texts and bytes in lists, and 64-bit numbers by eight. */
function countObjects(message: Message): number {
  const { $unknown = [], ...fields } = message as Message & Record<string, unknown>;
  let count = $unknown.length;
  for (const value of Object.values(fields)) {
    if (Array.isArray(value)) for (const each of value) count += weightOf(each);
    else if (typeof value === 'object' && !(value instanceof Uint8Array)) count += weightOf(value);
  }
  return count;
}

function weightOf(value: unknown): number {
  if (typeof value === 'bigint') return 1 / 8;
  if (typeof value === 'string' || value instanceof Uint8Array) return 1;
  return typeof value === 'object' ? 1 + countObjects(value as Message) : 0;
}

describe('the weight of a binary message', () => {
  // Bytes that are mostly tags and short lengths get far: the scan and the decoder must follow them alike.
  const byte = fc.oneof(
    fc.tuple(fc.integer({ min: 1, max: 18 }), fc.integer({ min: 0, max: 5 })).map(([no, wire]) => [no * 8 + wire]),
    fc.integer({ min: 0, max: 12 }).map((length) => [length]),
    fc.integer({ min: 2 * 14, max: 2 * 20 }).map((length) => [length]),
    fc.integer({ min: 0, max: 255 }).map((any) => [any]),
    fc.constantFrom([0x42, 0], [0x08, 1], [0x12, 1, 0x80], [0x48, 0x7f], [0x9b, 1], [0x9c, 1]),
  );

  it('bounds what decoding makes, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 12 }), (parts) => {
        // Far more behind than may be: what hides it from the scan must hide it from the decoder as well.
        const bytes = Uint8Array.from([...parts.flat().map((each) => each & 0xff), ...EMPTY_MESSAGES]);
        if (weighBinary(Node, bytes, LIMITS) !== 'fine') return;
        let message: Message;
        try {
          message = fromBinary(Node, bytes);
        } catch {
          return;
        }
        expect(countObjects(message)).toBeLessThanOrEqual(LIMITS.maxObjects);
      }),
      fuzzing(20_000),
    );
  });

  it('finds nothing wrong with what an encoder writes', () => {
    const numbers = fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), { maxLength: 5 });
    const node = fc.record({
      int321: numbers,
      int641: fc.array(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), { maxLength: 5 }),
      fixed641: fc.array(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { maxLength: 5 }),
      float1: fc.array(fc.float(), { maxLength: 5 }),
      text1: fc.array(fc.string(), { maxLength: 3 }),
      flag1: fc.array(fc.boolean()),
      text9: fc.string(),
      blob9: fc.uint8Array(),
    });
    fc.assert(
      fc.property(node, fc.array(node, { maxLength: 3 }), (fields, children) => {
        const bytes = toBinary(Node, create(Node, { ...fields, node1: children, node9: fields }));
        expect(weighBinary(Node, bytes, { maxObjects: 10_000, maxDepth: 100 })).toBe('fine');
      }),
      fuzzing(100),
    );
  });

  it.each([
    ['empty messages', [0x42, 0]],
    ['unknown numbers', [0xf8, 0x01, 0]],
    ['unknown groups', [0xfb, 0x01, 0xfc, 0x01]],
    ['texts', [0x2a, 0]],
  ])('is too much for many %s', (_, unit) => {
    const bytes = Uint8Array.from(Array.from({ length: 6 }, () => unit).flat());
    expect(weighBinary(Node, bytes, LIMITS)).toBe('heavy');
  });

  it('does not follow what a decoder would read elsewhere', () => {
    // A single int32 in the wire type of bytes: the decoder takes the length as its value, and reads on in the bytes.
    expect(weighBinary(Node, Uint8Array.of(0x4a, 4, 0x42, 0, 0x42, 0), LIMITS)).toBe('malformed');
    // The last of numbers in a row goes on beyond their end.
    expect(weighBinary(Node, Uint8Array.of(0x0a, 1, 0x80, 0x6a, 2, 0x42, 0), LIMITS)).toBe('malformed');
  });
});
