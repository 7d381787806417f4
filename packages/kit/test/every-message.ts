import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  create,
  createFileRegistry,
  fromBinary,
  ScalarType,
  type DescField,
  type DescMessage,
  type Message,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import * as fc from 'fast-check';

const BUF = join(import.meta.dirname, '../../../node_modules/.bin/buf');

/** The messages of the protos beside this: fields of each type, in each way that the syntaxes have. */
export function loadEveryMessage(): (name: string) => DescMessage {
  const set = execFileSync(BUF, ['build', join(import.meta.dirname, 'protos'), '--as-file-descriptor-set', '-o', '-']);
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, set));
  return (name) => {
    const message = registry.getMessage(name);
    if (message === undefined) throw new Error(`no ${name} among the protos of this test`);
    return message;
  };
}

const INT32 = fc.oneof(fc.constantFrom(0, -0, 1, 127, 128, 2 ** 31 - 1, -(2 ** 31)), fc.integer());
const UINT32 = fc.oneof(fc.constantFrom(0, 127, 128, 2 ** 32 - 1), fc.nat(2 ** 32 - 1));
const INT64 = fc.oneof(
  fc.constantFrom(0n, -1n, 127n, 128n, 2n ** 63n - 1n, -(2n ** 63n)),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
);
const UINT64 = fc.oneof(fc.constantFrom(0n, 127n, 128n, 2n ** 32n, 2n ** 64n - 1n), fc.bigInt(0n, 2n ** 64n - 1n));
const TEXT = fc.oneof(
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 50 }),
  // Around the lengths whose prefix grows, in texts that take one to three bytes for each unit; halves of pairs too.
  fc
    .tuple(fc.constantFrom('a', 'é', '€', '𝄞', '\ud834'), fc.constantFrom(42, 63, 64, 127, 128, 5_461, 16_384))
    .map(([char, count]) => char.repeat(count)),
);
const BYTES = fc.uint8Array({ maxLength: 200 });

const SCALARS: Readonly<Record<ScalarType, fc.Arbitrary<unknown>>> = {
  [ScalarType.DOUBLE]: fc.double(),
  [ScalarType.FLOAT]: fc.float(),
  [ScalarType.INT32]: INT32,
  [ScalarType.SINT32]: INT32,
  [ScalarType.SFIXED32]: INT32,
  [ScalarType.UINT32]: UINT32,
  [ScalarType.FIXED32]: UINT32,
  [ScalarType.INT64]: INT64,
  [ScalarType.SINT64]: INT64,
  [ScalarType.SFIXED64]: INT64,
  [ScalarType.UINT64]: UINT64,
  [ScalarType.FIXED64]: UINT64,
  [ScalarType.BOOL]: fc.boolean(),
  [ScalarType.STRING]: TEXT,
  [ScalarType.BYTES]: BYTES,
};

/** What no generated type allows, but JavaScript does. */
const ODD = fc.constantFrom<unknown>(undefined, null, '', '5', 'x', 1.5, -1, 2 ** 40, -0, 1n << 70n, {}, [], NaN, true);

/**
 * Messages of a type with a few of its fields set, two levels deep; with `isOdd` some of what is in them is not of its
 * type.
 */
export function arbitraryMessage(desc: DescMessage, isOdd = false, depth = 0): fc.Arbitrary<Message> {
  const { fields } = desc;
  if (fields.length === 0) return fc.constant(create(desc));
  const unknown = fc.record({ no: fc.constantFrom(90_000, 2 ** 29 - 1), wireType: fc.constant(0), data: VARINT });
  return fc
    .tuple(
      fc
        .shuffledSubarray(fields, { maxLength: Math.min(fields.length, depth === 0 ? 6 : 3) })
        .chain((chosen) =>
          fc.tuple(...chosen.map((field) => valueOf(field, isOdd, depth).map((value) => ({ field, value })))),
        ),
      fc.option(fc.array(unknown, { minLength: 1, maxLength: 2 }), { nil: undefined, freq: 5 }),
    )
    .map(([set, more]) => {
      const message = create(desc) as Message & Record<string, unknown>;
      for (const { field, value } of set) {
        if (field.oneof === undefined) message[field.localName] = value;
        else message[field.oneof.localName] = { case: field.localName, value };
      }
      if (more !== undefined) message.$unknown = more;
      return message;
    });
}

const VARINT = fc.constantFrom(new Uint8Array([5]), new Uint8Array([0x80, 1]));

function valueOf(field: DescField, isOdd: boolean, depth: number): fc.Arbitrary<unknown> {
  const one = oneOf(field, isOdd, depth);
  const value =
    field.fieldKind === 'list'
      ? fc.array(one, { maxLength: 3 })
      : field.fieldKind === 'map'
        ? fc.dictionary(keyOf(field.mapKey, isOdd), one, { maxKeys: 3 })
        : one;
  return isOdd ? fc.oneof({ weight: 4, arbitrary: value }, { weight: 1, arbitrary: ODD }) : value;
}

function oneOf(field: DescField, isOdd: boolean, depth: number): fc.Arbitrary<unknown> {
  if (field.enum !== undefined)
    return fc.oneof(fc.constantFrom(...field.enum.values.map(({ number }) => number)), INT32);
  if (field.message === undefined) {
    const scalar = SCALARS[field.scalar];
    return 'longAsString' in field && field.longAsString ? scalar.map(String) : scalar;
  }
  const { typeName } = field.message;
  if (typeName === 'google.protobuf.Struct' && field.parent.typeName !== 'google.protobuf.Value')
    return fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 2 });
  const [inner] = field.message.fields;
  const isShown = field.fieldKind === 'message' && field.oneof === undefined && typeName.endsWith('Value');
  if (isShown && inner?.scalar !== undefined && typeName.startsWith('google.protobuf')) return SCALARS[inner.scalar];
  if (depth === 2) return fc.constant(create(field.message));
  return arbitraryMessage(field.message, isOdd, depth + 1);
}

function keyOf(type: ScalarType, isOdd: boolean): fc.Arbitrary<string> {
  const key = SCALARS[type].map((value) => String(value));
  return isOdd
    ? fc.oneof({ weight: 4, arbitrary: key }, { weight: 1, arbitrary: fc.constantFrom('x', '', '1.5', '007', '1e3') })
    : key;
}
