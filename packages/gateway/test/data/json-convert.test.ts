import { gzipSync, brotliCompressSync, deflateSync, zstdCompressSync, gunzipSync } from 'node:zlib';
import {
  create,
  fromBinary,
  fromJson,
  fromJsonString,
  toBinary,
  toJsonString,
  type DescField,
  type JsonValue,
} from '@bufbuild/protobuf';
import { AnySchema, anyPack, FileDescriptorSetSchema, StringValueSchema } from '@bufbuild/protobuf/wkt';
import { WireType } from '@bufbuild/protobuf/wire';
import { Code } from '@bascule/core';
import { fuzzing } from '@bascule/testing';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { convertMessage, isFault, type Converted, type Direction, type Work } from '../../src/data/json/convert.ts';
import { DECODE_LIMITS } from '../../src/data/json/limits.ts';
import { createSchemaTypes, type MessageType } from '../../src/data/json/schema-types.ts';
import { Plain, Rich, RICH_SCHEMA, richTypes } from './json-schema.ts';

const types = createSchemaTypes(RICH_SCHEMA);
const rich = types.message('rich.v1.Rich') as MessageType;
const plain = types.message('rich.v1.Plain') as MessageType;
const MIB = 1_048_576;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

function work(direction: Direction, bytes: Uint8Array, more: Partial<Work> = {}): Work {
  return { direction, bytes, encoding: undefined, maxBytes: 4 * MIB, ...more };
}

function convert(
  type: MessageType,
  given: Work,
  place: 'thread' | 'background' = 'background',
  limits = DECODE_LIMITS,
) {
  return convertMessage(type, given, limits, place);
}

function converted(result: ReturnType<typeof convert>): Converted {
  if (result === 'later' || isFault(result)) throw new Error(`not converted: ${JSON.stringify(result)}`);
  return result;
}

const toProto = (type: MessageType, json: string): Uint8Array =>
  converted(convert(type, work('request', utf8(json)))).bytes;
const toJson = (type: MessageType, bytes: Uint8Array): string =>
  Buffer.from(converted(convert(type, work('response', bytes))).bytes).toString('utf8');

/** What protobuf-es itself makes of a JSON text; the error's message where it refuses. */
function oracle(json: string): { bytes: Uint8Array } | { refused: true } {
  try {
    // As connect-es reads its bytes.
    const message = fromJsonString(Rich, new TextDecoder().decode(utf8(json)), {
      ignoreUnknownFields: true,
      registry: richTypes,
    });
    return { bytes: toBinary(Rich, message) };
  } catch {
    return { refused: true };
  }
}

function ours(json: string): { bytes: Uint8Array } | { refused: true } {
  const result = convert(rich, work('request', utf8(json)));
  if (result === 'later') throw new Error('put off');
  if (!isFault(result)) return { bytes: result.bytes };
  expect(result.code).toBe(Code.invalidArgument);
  return { refused: true };
}

afterEach(() => {
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(Object.keys(Object.prototype)).toEqual([]);
});

const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
const bytes64 = fc.uint8Array({ maxLength: 20 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const text = fc.string({ unit: 'grapheme', maxLength: 20 });
const double = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '1.5'),
);
const float = fc.float({ noNaN: true, noDefaultInfinity: true });

const scalars: Readonly<Record<string, fc.Arbitrary<JsonValue>>> = {
  double,
  float,
  int64,
  uint64,
  int32,
  fixed64: uint64,
  fixed32: uint32,
  bool: fc.boolean(),
  string: text,
  bytes: bytes64,
  uint32,
  sfixed32: int32,
  sfixed64: int64,
  sint32: int32,
  sint64: int64,
};

const camel = (prefix: string, name: string): string => `${prefix}${name[0]?.toUpperCase()}${name.slice(1)}`;

/** Messages of every kind of field, as JSON. */
const { richJson } = fc.letrec<{ richJson: JsonValue }>((tie) => ({
  richJson: fc.record(
    {
      ...Object.fromEntries(Object.entries(scalars).map(([name, value]) => [camel('one', name), value])),
      ...Object.fromEntries(
        Object.entries(scalars).map(([name, value]) => [camel('many', name), fc.array(value, { maxLength: 4 })]),
      ),
      oneColor: fc.constantFrom('COLOR_RED', 'COLOR_MINUS', 1, -1, 7),
      manyColor: fc.array(fc.constantFrom('COLOR_RED', 'COLOR_UNSPECIFIED'), { maxLength: 3 }),
      child: fc.option(tie('richJson'), { maxDepth: 2, nil: null, depthIdentifier: 'rich' }),
      children: fc.array(tie('richJson'), { maxLength: 2, depthIdentifier: 'rich' }),
      choiceText: text,
      any: fc.oneof(
        text.map((value) => ({ '@type': 'type.googleapis.com/rich.v1.Plain', text: value })),
        text.map((value) => ({ '@type': 'type.googleapis.com/google.protobuf.StringValue', value })),
      ),
      duration: fc.constantFrom('1.5s', '-0.000000001s', '315576000000s'),
      mask: fc.constantFrom('', 'a,b.c', 'fooBar.baz'),
      struct: fc.dictionary(text, fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>, { maxKeys: 3 }),
      value: fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<JsonValue>,
      time: fc.constantFrom('1970-01-01T00:00:00Z', '9999-12-31T23:59:59.999999999Z', '2026-02-28T23:59:59.5+02:00'),
      wrapped: int64,
      words: fc.dictionary(text, text, { maxKeys: 3 }),
      numbers: fc.dictionary(int64, double, { maxKeys: 3 }),
      switches: fc.dictionary(fc.constantFrom('true', 'false'), bytes64),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<JsonValue>,
}));

describe('conversion', () => {
  it('gives what protobuf-es gives, there and back, for messages of every kind of field', () => {
    fc.assert(
      fc.property(richJson, (given) => {
        // JSON has no -0.
        const json = JSON.parse(JSON.stringify(given)) as JsonValue;
        const message = fromJson(Rich, json, { registry: richTypes });
        const bytes = toProto(rich, JSON.stringify(json));
        expect(bytes).toEqual(toBinary(Rich, message));
        const again = fromBinary(Rich, bytes);
        expect(toJson(rich, bytes)).toBe(toJsonString(Rich, again, { registry: richTypes }));
      }),
      fuzzing(150),
    );
  });

  it('agrees with protobuf-es about any text at all', () => {
    const names = [
      'oneInt32',
      'one_int32',
      'oneDouble',
      'oneBytes',
      'child',
      'any',
      'words',
      'value',
      'nothing',
      '@type',
    ];
    const { node } = fc.letrec<{ node: JsonValue }>((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }) as fc.Arbitrary<JsonValue>,
        fc.dictionary(fc.constantFrom(...names), tie('node'), { maxKeys: 4 }),
        fc.array(tie('node'), { maxLength: 3 }),
      ),
    }));
    fc.assert(
      fc.property(
        fc.oneof(
          node.map((value) => JSON.stringify(value)),
          fc.string(),
        ),
        (json) => {
          expect(ours(json)).toEqual(oracle(json));
        },
      ),
      fuzzing(300),
    );
  });

  it.each([
    ['a key twice', '{"oneInt32":1,"oneInt32":2}'],
    ['a field by both its names', '{"oneInt32":1,"one_int32":2}'],
    ['a key twice, once escaped', '{"oneInt32":1,"one\\u0049nt32":2}'],
    ['__proto__', '{"__proto__":{"polluted":1}}'],
    ['__proto__ in a map', '{"words":{"__proto__":"polluted"}}'],
    ['__proto__ in a struct', '{"struct":{"__proto__":{"polluted":1}},"value":{"__proto__":{"polluted":1}}}'],
    ['constructor', '{"constructor":{"prototype":{"polluted":1}}}'],
    ['constructor in a map', '{"words":{"constructor":"x","toString":"y"}}'],
    ['1e400 as double', '{"oneDouble":1e400}'],
    ['1e400 in words', '{"oneDouble":"1e400"}'],
    ['2^64', '{"oneUint64":18446744073709551616}'],
    ['2^64 in words', '{"oneUint64":"18446744073709551616"}'],
    ['2^64 - 1 in words', '{"oneUint64":"18446744073709551615"}'],
    ['2^53 + 1 as a number', '{"oneInt64":9007199254740993}'],
    ['1.0 as an integer', '{"oneInt32":1.0}'],
    ['1.5 as an integer', '{"oneInt32":1.5}'],
    ['1e3 as an integer', '{"oneInt32":1e3}'],
    ['a lone surrogate', '{"oneString":"\\ud800"}'],
    ['a lone surrogate as a key', '{"words":{"\\udc00":"x"}}'],
    ['NaN', '{"oneDouble":NaN}'],
    ['"NaN"', '{"oneDouble":"NaN","oneFloat":"-Infinity"}'],
    ['base64 without padding', '{"oneBytes":"AAE"}'],
    ['base64 with padding', '{"oneBytes":"AAE="}'],
    ['base64 of the web', '{"oneBytes":"-_8"}'],
    ['base64 with white space', '{"oneBytes":"AA E="}'],
    ['base64 that is none', '{"oneBytes":"A?"}'],
    ['null everywhere', '{"oneInt32":null,"child":null,"manyInt32":null,"words":null,"value":null}'],
    ['null in a list', '{"manyInt32":[null]}'],
    ['an unknown field', '{"somethingNew":{"deep":[1]}}'],
    ['an unknown name of an enum', '{"oneColor":"COLOR_BLUE"}'],
    ['both of a choice', '{"choiceText":"a","choiceChild":{}}'],
    ['a list for a message', '[]'],
    ['a number for a message', '7'],
    ['nothing', ''],
    ['white space', ' \n'],
    ['rubbish behind', '{} {}'],
    ['a trailing comma', '{"oneInt32":1,}'],
    ['a byte order mark', '﻿{"oneInt32":1}'],
  ])('does as protobuf-es with %s', (_name, json) => {
    expect(ours(json)).toEqual(oracle(json));
  });

  it('refuses text that is not UTF-8 instead of changing it', () => {
    const bytes = Buffer.concat([utf8('{"oneString":"'), Uint8Array.of(0xff, 0xfe), utf8('"}')]);
    expect(convert(rich, work('request', bytes))).toMatchObject({
      code: Code.invalidArgument,
      message: 'the request message cannot be read: it is not UTF-8',
    });
  });

  it('names the field that is wrong, in few words', () => {
    expect(convert(rich, work('request', utf8('{"child":{"oneInt32":"many"}}')))).toMatchObject({
      code: Code.invalidArgument,
      message: expect.stringContaining('rich.v1.Rich.one_int32'),
    });
    const long = convert(rich, work('request', utf8(`{"any":{"@type":"type.googleapis.com/${'x'.repeat(100_000)}"}}`)));
    expect((long as { message: string }).message.length).toBeLessThan(500);
  });

  it('says which type of an Any is not known, and what to do', () => {
    const json = '{"any":{"@type":"type.googleapis.com/other.v1.Thing","a":1}}';
    expect(convert(rich, work('request', utf8(json)))).toMatchObject({
      code: Code.invalidArgument,
      message: expect.stringMatching(/other\.v1\.Thing.*import its file in the protos of the service/),
    });
    const any = create(AnySchema, { typeUrl: 'type.googleapis.com/other.v1.Thing', value: Uint8Array.of(8, 1) });
    const message = create(Rich, { any });
    expect(convert(rich, work('response', toBinary(Rich, message)))).toMatchObject({
      code: Code.internal,
      message: expect.stringContaining('other.v1.Thing'),
    });
  });

  it('knows how fields are called in JSON when their descriptors do not say', () => {
    const set = fromBinary(FileDescriptorSetSchema, RICH_SCHEMA);
    for (const file of set.file)
      for (const message of file.messageType) for (const field of message.field) field.jsonName = '';
    const type = createSchemaTypes(toBinary(FileDescriptorSetSchema, set)).message('rich.v1.Rich') as MessageType;
    const json = '{"oneInt32":7,"choiceText":"x"}';
    const bytes = toProto(type, json);
    expect(bytes).toEqual(toProto(rich, json));
    expect(toJson(type, bytes)).toBe(json);
  });

  it('leaves defaults out of responses and fields that it does not know, as connect-es does', () => {
    expect(toJson(plain, Uint8Array.of())).toBe('{}');
    expect(toJson(plain, Uint8Array.of(10, 0, 0x98, 0x06, 1))).toBe('{}');
  });
});

describe('limits', () => {
  const nest = (depth: number): string => '{"children":['.repeat(depth - 1) + '{}' + ']}'.repeat(depth - 1);

  function nestBinary(depth: number): Uint8Array {
    let bytes = new Uint8Array(0);
    for (let i = 1; i < depth; i++) {
      const inner = create(Plain);
      inner.$unknown = [
        { no: 3, wireType: WireType.LengthDelimited, data: Buffer.concat([varint(bytes.length), bytes]) },
      ];
      bytes = toBinary(Plain, inner);
    }
    return bytes;
  }

  it('takes 100 messages within each other, and not one more', () => {
    expect(toProto(plain, nest(100)).length).toBeGreaterThan(0);
    expect(convert(plain, work('request', utf8(nest(101))))).toMatchObject({ code: Code.invalidArgument });
    expect(toJson(plain, nestBinary(100))).toBe(nest(100));
    expect(convert(plain, work('response', nestBinary(101)))).toMatchObject({ code: Code.internal });
  });

  it.each([
    ['lists', '[', ']'],
    ['unknown fields', '{"nothing":[', ']}'],
    ['messages', '{"children":[{', '}]}'],
  ])('survives %s nested 200,000 deep', (_name, open, close) => {
    const json = open.repeat(200_000) + close.repeat(200_000);
    expect(convert(plain, work('request', utf8(json)))).toMatchObject({ code: Code.invalidArgument });
  });

  it('survives an Any in an Any, 2,000 deep, in both directions', () => {
    let any = anyPack(StringValueSchema, create(StringValueSchema, { value: 'x' }));
    for (let i = 0; i < 2_000; i++) any = anyPack(AnySchema, any);
    const bytes = toBinary(Rich, create(Rich, { any }));
    expect(convert(rich, work('response', bytes), 'thread')).toMatchObject({
      code: Code.internal,
      message: expect.stringContaining('nested more than 100 messages deep'),
    });
    const open = '{"@type":"type.googleapis.com/google.protobuf.Any","value":';
    const json = `{"any":${open.repeat(2_000)}{}${'}'.repeat(2_001)}`;
    expect(convert(rich, work('request', utf8(json)))).toMatchObject({ code: Code.invalidArgument });
  });

  it('counts values before it builds any', () => {
    const tooMany = { code: Code.resourceExhausted, message: expect.stringContaining('more than 100000 values') };
    const list = (n: number): Uint8Array => utf8(`{"numbers":[${Array(n).fill('1').join(',')}]}`);
    expect(convert(plain, work('request', list(100_001)))).toMatchObject(tooMany);
    converted(convert(plain, work('request', list(99_000))));
    const children = utf8(`{"children":[${Array(60_000).fill('{}').join(',')}]}`);
    expect(convert(plain, work('request', children))).toMatchObject(tooMany);
  });

  it('counts the values of packed lists, messages, maps and what an Any holds', () => {
    const tooMany = {
      code: Code.resourceExhausted,
      message: expect.stringContaining('the response message holds more'),
    };
    const packed = toBinary(Plain, create(Plain, { numbers: Array(100_001).fill(1) }));
    expect(convert(plain, work('response', packed))).toMatchObject(tooMany);
    const doubles = toBinary(Plain, create(Plain, { doubles: Array(100_001).fill(1) }));
    expect(convert(plain, work('response', doubles))).toMatchObject(tooMany);
    const empty = Buffer.alloc(400_000);
    for (let i = 0; i < empty.length; i += 2) empty.set([0x1a, 0], i);
    expect(convert(plain, work('response', empty))).toMatchObject(tooMany);
    const any = { typeUrl: 'type.googleapis.com/rich.v1.Plain', value: packed };
    const holder = toBinary(Rich, create(Rich, { any: create(AnySchema, any) }));
    expect(convert(rich, work('response', holder))).toMatchObject(tooMany);
  });

  it('refuses bytes that would hide values from the count', () => {
    const pad = Buffer.alloc(200_000, 0x12);
    const broken: readonly Uint8Array[] = [
      // An end of a group that has none, a message of the wire type of a number, a length beyond the end.
      Buffer.concat([Uint8Array.of(0x1c), pad]),
      Buffer.concat([Uint8Array.of(0x18, 1), pad]),
      Buffer.concat([Uint8Array.of(0x1a), varint(500_000), pad]),
      Buffer.concat([Uint8Array.of(0x0f), pad]),
      // A text of the wire type of a number, and numbers that do not end where their field does: the reader would go on
      // elsewhere than the count, for which all behind is one field that is not known.
      Buffer.concat([Uint8Array.of(0x08, 4, 0x7a), varint(200_000), Buffer.alloc(200_000, Uint8Array.of(0x1a, 0))]),
      Buffer.concat([Uint8Array.of(0x22, 7, 0, 0, 0, 0, 0, 0, 0), pad]),
      Buffer.concat([Uint8Array.of(0x12, 1, 0x80), pad]),
      Buffer.alloc(200_000, 0xff),
    ];
    for (const bytes of broken) {
      expect(convert(plain, work('response', bytes))).toMatchObject({ code: Code.internal });
    }
  });

  it('refuses maps whose entries hide values from the count', () => {
    const riches = Rich.field['riches'] as DescField;
    const children = Rich.field['children'] as DescField;
    const bomb = Buffer.alloc(360_000, Uint8Array.from([...varint(children.number * 8 + 2), 0]));
    const value = (tag: number): Uint8Array => Buffer.concat([Uint8Array.of(tag), varint(bomb.length), bomb]);
    const entry = (wire: number, tag: number): Uint8Array =>
      Buffer.concat([varint(riches.number * 8 + wire), varint(value(tag).length), value(tag)]);
    expect(convert(rich, work('response', entry(2, 0x12)))).toMatchObject({ code: Code.resourceExhausted });
    expect(convert(rich, work('response', entry(2, 0x10)))).toMatchObject({
      message: expect.stringContaining('no protobuf'),
    });
    expect(convert(rich, work('response', entry(0, 0x12)))).toMatchObject({
      message: expect.stringContaining('no protobuf'),
    });
  });

  it('counts a long number as what its reading takes', () => {
    const number = (digits: number): Uint8Array => utf8(JSON.stringify({ oneInt64: '9'.repeat(digits) }));
    expect(convert(rich, work('request', number(1_000_000)))).toMatchObject({ code: Code.resourceExhausted });
    expect(convert(rich, work('request', utf8(`{"oneInt64":"-${'9'.repeat(500_000)}"}`)))).toMatchObject({
      code: Code.resourceExhausted,
    });
    expect(convert(plain, work('request', number(200_000)), 'thread')).toBe('later');
    converted(convert(plain, work('request', utf8(JSON.stringify({ text: '9'.repeat(200_000) })))));
  });

  it('agrees with the count: what it lets through on the thread holds no more than it says', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const result = convert(rich, work('response', bytes), 'thread', { ...DECODE_LIMITS, maxThreadNodes: 0 });
        // Never throws, and says of each what it is.
        expect(result === 'later' || isFault(result) || result.bytes.length > 0).toBe(true);
      }),
      fuzzing(500),
    );
  });

  it('puts off what would hold up other calls', () => {
    const many = utf8(`{"numbers":[${Array(30_000).fill('1').join(',')}]}`);
    expect(convert(plain, work('request', many), 'thread')).toBe('later');
    const large = utf8(JSON.stringify({ text: 'x'.repeat(MIB) }));
    expect(convert(plain, work('request', large), 'thread')).toBe('later');
    expect(convert(plain, work('request', gzipSync(large), { encoding: 'gzip' }), 'thread')).toBe('later');
    // A mask is a list in one string: commas tell nothing of it.
    const mask = utf8(JSON.stringify({ mask: 'a,'.repeat(40_000) + 'a' }));
    expect(convert(rich, work('request', mask), 'thread')).toBe('later');
    const small = utf8(JSON.stringify({ text: 'x'.repeat(MIB - 100) }));
    converted(convert(plain, work('request', small), 'thread'));
  });
});

describe('compression', () => {
  const encodings = [
    ['gzip', gzipSync],
    ['br', brotliCompressSync],
    ['deflate', deflateSync],
    ['zstd', zstdCompressSync],
  ] as const;
  const json = JSON.stringify({ text: 'abc'.repeat(2_000) });

  it.each(encodings)('undoes %s and does it again', (encoding, compress) => {
    const result = converted(convert(plain, work('request', compress(utf8(json)), { encoding })));
    expect(result.compressed).toBe(true);
    const back = converted(convert(plain, work('response', result.bytes, { encoding })));
    expect(back.compressed).toBe(true);
    const again = converted(convert(plain, work('request', back.bytes, { encoding })));
    expect(again.bytes).toEqual(result.bytes);
  });

  it('does not compress what is short', () => {
    const short = converted(convert(plain, work('request', gzipSync('{"text":"short"}'), { encoding: 'gzip' })));
    expect(short).toEqual({ bytes: toProto(plain, '{"text":"short"}'), compressed: false });
  });

  it.each(encodings)('stops at the limit of a bomb in %s', (encoding, compress) => {
    const bomb = compress(Buffer.alloc(64 * MIB, 0x20));
    expect(bomb.length).toBeLessThan(MIB);
    const fault = { code: Code.resourceExhausted, message: expect.stringContaining(`larger than ${4 * MIB} bytes`) };
    expect(convert(plain, work('request', bomb, { encoding }))).toMatchObject(fault);
    expect(convert(plain, work('request', bomb, { encoding }), 'thread')).toBe('later');
    expect(convert(plain, work('request', bomb, { encoding, maxBytes: 1000 }), 'thread')).toMatchObject({
      code: Code.resourceExhausted,
    });
  });

  it.each(encodings)('says that what came is no %s', (encoding) => {
    expect(convert(plain, work('request', utf8('not compressed at all'), { encoding }))).toMatchObject({
      code: Code.invalidArgument,
      message: `the request message cannot be read: it does not decompress as ${encoding}`,
    });
  });

  it('gives compressed messages that others read', () => {
    const result = converted(convert(plain, work('response', gzipSync(toProto(plain, json)), { encoding: 'gzip' })));
    expect(result.compressed).toBe(true);
    expect(gunzipSync(result.bytes).toString('utf8')).toBe(json);
  });
});

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
