import { create, createFileRegistry, fromBinary, toBinary, toJson, type DescMessage } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import type { FieldPath } from '@bascule/core';
import { fuzzing, fuzzTimeoutMs } from '@bascule/testing';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findJsonField } from '../src/json-field.ts';
import { findMessageField } from '../src/message-field.ts';

const FIELDS = {
  text: [1, Type.STRING, 'string'],
  blob: [2, Type.BYTES, 'bytes'],
  int_64: [3, Type.INT64, 'varint'],
  uint_64: [4, Type.UINT64, 'varint'],
  int_32: [5, Type.INT32, 'varint'],
  flag: [6, Type.BOOL, 'varint'],
  zigzag: [7, Type.SINT64, 'zigzag'],
  zigzag_32: [8, Type.SINT32, 'zigzag'],
  fixed_32: [9, Type.FIXED32, 'fixed32'],
  sfixed_32: [10, Type.SFIXED32, 'fixed32'],
  fixed_64: [17, Type.FIXED64, 'fixed64'],
  sfixed_64: [3000, Type.SFIXED64, 'fixed64'],
} as const satisfies Record<string, readonly [number, Type, FieldPath['type']]>;
type Name = keyof typeof FIELDS;
const NAMES = Object.keys(FIELDS) as Name[];

const Node: DescMessage = (() => {
  const file = create(FileDescriptorProtoSchema, {
    name: 'node.proto',
    package: 'test',
    syntax: 'proto3',
    messageType: [
      {
        name: 'Node',
        field: [
          ...NAMES.map((name) => ({
            name,
            jsonName: camel(name),
            number: FIELDS[name][0],
            type: FIELDS[name][1],
            label: Label.OPTIONAL,
          })),
          {
            name: 'child',
            jsonName: 'child',
            number: 20,
            type: Type.MESSAGE,
            typeName: '.test.Node',
            label: Label.OPTIONAL,
          },
          { name: 'packed', jsonName: 'packed', number: 21, type: Type.INT32, label: Label.REPEATED },
        ],
      },
    ],
  });
  return createFileRegistry(file, () => undefined).getMessage('test.Node') as DescMessage;
})();

function camel(name: string): string {
  return name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

function pathOf(depth: number, name: Name): FieldPath {
  const [number, , type] = FIELDS[name];
  const outer = Array.from({ length: depth }, () => 'child');
  return {
    path: [...outer, name].join('.'),
    jsonNames: [...outer, camel(name)],
    numbers: [...outer.map(() => 20), number],
    type,
  };
}

const arbitraryNode = fc.letrec((tie) => ({
  node: fc.record(
    {
      text: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 8 }), fc.constant('\uFEFFmark')),
      blob: fc.uint8Array({ maxLength: 8 }),
      int64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      uint64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      int32: fc.integer(),
      flag: fc.boolean(),
      zigzag: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      zigzag32: fc.integer(),
      fixed32: fc.nat({ max: 2 ** 32 - 1 }),
      sfixed32: fc.integer(),
      fixed64: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      sfixed64: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      packed: fc.array(fc.integer(), { maxLength: 4 }),
      child: fc.option(tie('node'), { nil: undefined, maxDepth: 3, depthSize: 'small' }),
    },
    { requiredKeys: [] },
  ),
})).node as fc.Arbitrary<Record<string, unknown>>;

/** What nobody knows: a varint, 8 bytes, a piece, a group with all of them inside, 4 bytes. */
const UNKNOWN = [
  [0xf8, 0x01, 0x96, 0x01],
  [0xf9, 0x01, 1, 2, 3, 4, 5, 6, 7, 8],
  [0xfa, 0x01, 3, 0x0a, 0x01, 0x41],
  [0xfb, 0x01, 0x0a, 1, 0x5a, 0xf3, 0x01, 0xf4, 0x01, 0x18, 9, 0xfc, 0x01],
  [0xfd, 0x01, 1, 2, 3, 4],
];

const arbitraryBytes = fc
  .array(fc.oneof({ weight: 4, arbitrary: arbitraryNode.map(encode) }, fc.constantFrom(...UNKNOWN)), { maxLength: 5 })
  .map((pieces) => Uint8Array.from(pieces.flatMap((piece) => [...piece])));

function encode(node: Record<string, unknown>): Uint8Array {
  return toBinary(Node, create(Node, node));
}

/** What a whole decoder finds, as text; undefined for what is not there or holds its default. */
function judge(bytes: Uint8Array, field: FieldPath): string | undefined {
  let value: unknown;
  try {
    value = fromBinary(Node, bytes);
  } catch {
    return undefined;
  }
  for (const name of field.jsonNames) value = (value as Record<string, unknown> | undefined)?.[name];
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value).toString('base64');
  if (typeof value === 'bigint') value = BigInt.asIntN(64, value);
  if (typeof value === 'number') value = field.type === 'fixed32' ? value | 0 : value;
  if (typeof value === 'boolean') value = Number(value);
  const text = value === undefined ? '' : (value as bigint).toString();
  return text === '' || (text === '0' && field.type !== 'string') ? undefined : text;
}

const arbitraryField = fc.tuple(fc.nat({ max: 3 }), fc.constantFrom(...NAMES)).map(([d, name]) => pathOf(d, name));

describe('a field of a message', () => {
  it('is what a whole decoder finds', { timeout: fuzzTimeoutMs(20_000) }, () => {
    fc.assert(
      fc.property(arbitraryBytes, arbitraryField, (bytes, field) => {
        expect(findMessageField(bytes, field)).toBe(judge(bytes, field));
      }),
      fuzzing(3_000),
    );
  });

  it('is the same in JSON', { timeout: fuzzTimeoutMs(20_000) }, () => {
    fc.assert(
      fc.property(arbitraryNode, arbitraryField, fc.boolean(), (node, field, useProtoNames) => {
        const message = create(Node, node);
        const json = Buffer.from(JSON.stringify(toJson(Node, message, { useProtoFieldName: useProtoNames })));
        expect(findJsonField(json, field)).toBe(findMessageField(toBinary(Node, message), field));
      }),
      fuzzing(2_000),
    );
  });

  it('is nothing, and no error, in bytes that are broken', { timeout: fuzzTimeoutMs(20_000) }, () => {
    const mutated = fc.tuple(
      arbitraryBytes,
      fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 4 }),
      fc.nat(),
    );
    fc.assert(
      fc.property(mutated, arbitraryField, ([bytes, changes, cut], field) => {
        const broken = bytes.slice(0, bytes.length - (cut % 4));
        for (const [at, value] of changes) if (broken.length > 0) broken[at % broken.length] = value;
        const text = findMessageField(broken, field);
        expect(text === undefined || typeof text === 'string').toBe(true);
        findJsonField(broken, field);
      }),
      fuzzing(3_000),
    );
  });

  const id = (type: FieldPath['type']): FieldPath => ({ path: 'id', jsonNames: ['id'], numbers: [1], type });
  const nested: FieldPath = { path: 'a.id', jsonNames: ['a', 'id'], numbers: [2, 1], type: 'varint' };

  it.each<[string, FieldPath, number[], string | undefined]>([
    ['the last value', id('varint'), [8, 1, 8, 2], '2'],
    ['the last value, even if it is the default', id('varint'), [8, 1, 8, 0], undefined],
    ['-1', id('varint'), [8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1], '-1'],
    ['an overlong varint', id('varint'), [8, 0x81, 0x80, 0x00], '1'],
    ['a message in parts', nested, [0x12, 2, 8, 5, 0x12, 2, 0x10, 9], '5'],
    ['a later part', nested, [0x12, 2, 8, 5, 0x12, 2, 8, 6], '6'],
    ['another wire type', id('varint'), [0x0a, 1, 5], undefined],
    ['a group of the same number', id('string'), [0x0b, 0x0a, 1, 65, 0x0c], undefined],
    ['a tag of field 0', id('varint'), [8, 1, 0, 1], undefined],
    ['a varint of 11 bytes', id('varint'), [8, ...Array.from({ length: 10 }, () => 128), 1], undefined],
    ['a length beyond the end', id('string'), [0x0a, 5, 65], undefined],
    ['a length of 2^32 + 1', id('string'), [0x0a, 0x81, 0x80, 0x80, 0x80, 0x10, 65], undefined],
    ['a length beyond the message around it', nested, [0x12, 2, 0x0a, 3, 8, 1], undefined],
    ['a group without end', id('varint'), [8, 1, 0x1b], undefined],
    ['an end without group', id('varint'), [8, 1, 0x1c], undefined],
    ['groups that cross', id('varint'), [8, 1, 0x1b, 0x23, 0x1c, 0x24], undefined],
    ['wire type 7', id('varint'), [8, 1, 0x1f], undefined],
    ['no UTF-8', id('string'), [0x0a, 1, 0xff], undefined],
    ['nothing', id('string'), [], undefined],
  ])('reads %s', (_what, field, bytes, text) => {
    expect(findMessageField(Uint8Array.from(bytes), field)).toBe(text);
  });

  it('is not looked for beyond a bound', () => {
    const bytes = (n: number) => Uint8Array.from([...Array.from({ length: n }, () => [16, 0]).flat(), 8, 1]);
    expect(findMessageField(bytes(10_000), id('varint'))).toBe('1');
    expect(findMessageField(bytes(20_000), id('varint'))).toBeUndefined();
    const groups = Uint8Array.from([...Array.from({ length: 300_000 }, () => 0x1b), 8, 1]);
    expect(findMessageField(groups, id('varint'))).toBeUndefined();
  });

  it.each<[FieldPath['type'], string, string | undefined]>([
    ['varint', '{"id":7}', '7'],
    ['varint', '{"id":"7"}', '7'],
    ['varint', '{"id":7.0}', '7'],
    ['varint', '{"id":"7e0"}', '7'],
    ['varint', '{"id":true}', '1'],
    ['varint', '{"id":"ACTIVE"}', 'ACTIVE'],
    ['varint', '{"id":"18446744073709551615"}', '-1'],
    ['fixed32', '{"id":4294967295}', '-1'],
    ['varint', '{"id":1,"id":2}', '2'],
    ['varint', '{"id":0}', undefined],
    ['string', '{"id":"0"}', '0'],
    ['string', '{"id":null}', undefined],
    ['string', '{"id":["a"]}', undefined],
    ['string', '{"id":{}}', undefined],
    ['string', '["a"]', undefined],
    ['string', '"id"', undefined],
    ['string', '{"id":"a"', undefined],
    ['bytes', '{"id":"-_-_"}', '+/+/'],
    ['bytes', '{"id":"AA"}', 'AA=='],
    ['bytes', '{"id":"*"}', undefined],
  ])('as %s of %s is %s', (type, json, text) => {
    expect(findJsonField(Buffer.from(json), id(type))).toBe(text);
  });

  it('is no member that every object has, and nothing in a message too long to parse', () => {
    const field: FieldPath = {
      path: 'constructor.name',
      jsonNames: ['constructor', 'name'],
      numbers: [1, 1],
      type: 'string',
    };
    expect(findJsonField(Buffer.from('{}'), field)).toBeUndefined();
    expect(findJsonField(Buffer.from(`{"id":"a","x":"${'x'.repeat(66_000)}"}`), id('string'))).toBeUndefined();
  });
});
