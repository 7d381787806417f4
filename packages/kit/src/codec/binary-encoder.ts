import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence as Presence } from '@bufbuild/protobuf/wkt';
import type { MessageBuffer } from './message-buffer.ts';
import { Wire } from './message-shape.ts';
import { ODD, scalarWriterOf } from './scalar-writer.ts';

/** A message as an object of its fields. */
type Fields = Record<string, unknown>;
type WriteField = (out: MessageBuffer, message: Fields) => void;
/** Writes a value with its tag. */
type WriteValue = (out: MessageBuffer, value: unknown) => void;

interface UnknownField {
  readonly no: number;
  readonly wireType: number;
  readonly data: Uint8Array;
}

/**
 * Writes messages of one type straight into memory that is there. protobuf-es's `toBinary` makes two buffers for each,
 * which costs several times as much as a small message itself. What it writes is what `toBinary` writes, byte for
 * byte. It gives up at whatever is not as the generated types have it, and at what it does not know, such as
 * google.protobuf.Struct: `toBinary` then judges.
 */
export class BinaryEncoder {
  readonly #typeName: string;
  readonly #fields: WriteField[] = [];

  private constructor(desc: DescMessage) {
    this.#typeName = desc.typeName;
  }

  /** The encoder of a type; made once. */
  static of(desc: DescMessage): BinaryEncoder {
    const known = encoders.get(desc);
    if (known !== undefined) return known;
    const encoder = new BinaryEncoder(desc);
    // Before its fields: a message may hold itself.
    encoders.set(desc, encoder);
    const fields = desc.fields.toSorted((a, b) => a.number - b.number);
    for (const field of fields) encoder.#fields.push(compileField(field));
    return encoder;
  }

  /** Puts a message behind what `out` holds. False where that is for `toBinary`; `out` is then as it was. */
  tryWrite(out: MessageBuffer, message: unknown): boolean {
    const at = out.length;
    try {
      this.write(out, message);
      return true;
    } catch {
      out.length = at;
      return false;
    }
  }

  /** As {@link tryWrite}, but throws, and leaves `out` with a part of the message. */
  write(out: MessageBuffer, message: unknown): void {
    const fields = message as Fields;
    if (fields['$typeName'] !== this.#typeName) throw ODD;
    const writers = this.#fields;
    for (let i = 0; i < writers.length; i++) (writers[i] as WriteField)(out, fields);
    const unknown = fields['$unknown'] as UnknownField[] | undefined;
    if (unknown === undefined) return;
    for (const { no, wireType, data } of unknown) {
      out.varint(tagOf(no, wireType));
      out.append(data);
    }
  }
}

/** Source: google/protobuf/wrappers.proto. */
const WRAPPER = /^google\.protobuf\.(?:Double|Float|Int64|UInt64|Int32|UInt32|Bool|String|Bytes)Value$/;

const encoders = new WeakMap<DescMessage, BinaryEncoder>();

function tagOf(number: number, wire: number): number {
  return ((number << 3) | wire) >>> 0;
}

function compileField(field: DescField): WriteField {
  if (field.fieldKind === 'list') return compileList(field);
  if (field.fieldKind === 'map') return compileMap(field);
  const name = field.localName;
  const write = field.fieldKind === 'message' ? compileSingularMessage(field) : compileScalar(field);
  if (field.oneof !== undefined) {
    const group = field.oneof.localName;
    return (out, message) => {
      const oneof = message[group] as { case: string | undefined; value?: unknown };
      if (oneof.case === name) write(out, oneof.value);
    };
  }
  if (field.presence === Presence.IMPLICIT) {
    const isZero = compileIsZero(field);
    return (out, message) => {
      const value = message[name];
      if (!isZero(value)) write(out, value);
    };
  }
  const isRequired = field.presence === Presence.LEGACY_REQUIRED;
  return (out, message) => {
    const value = message[name];
    // Unset fields of some syntaxes show a default by their prototype.
    if (value !== undefined && Object.hasOwn(message, name)) write(out, value);
    else if (isRequired) throw ODD;
  };
}

function compileIsZero(field: DescField): (value: unknown) => boolean {
  if ('longAsString' in field && field.longAsString) return (value) => value === '0';
  if (field.fieldKind !== 'enum') return scalarWriterOf(field.scalar).isZero;
  const zero = field.enum.values[0]?.number;
  return (value) => value === zero;
}

function compileScalar(field: DescField): WriteValue {
  // Numbers that are kept as texts are left to protobuf-es.
  if ('longAsString' in field && field.longAsString) return refuse;
  const { wire, write } = scalarWriterOf(field.scalar);
  const tag = tagOf(field.number, wire);
  return (out, value) => {
    out.varint(tag);
    write(out, value);
  };
}

function compileSingularMessage(field: DescField & { message: DescMessage }): WriteValue {
  const [inner] = field.message.fields;
  const isWrapper = WRAPPER.test(field.message.typeName) && inner?.fieldKind === 'scalar';
  if (field.oneof !== undefined || !isWrapper) return compileMessage(field);
  // Shown as the value that it wraps.
  const isZero = compileIsZero(inner);
  const write = compileScalar(inner);
  return delimited(field.number, (out, value) => {
    if (!isZero(value)) write(out, value);
  });
}

function compileMessage(field: DescField & { message: DescMessage }): WriteValue {
  if (isShownAsJson(field)) return refuse;
  const encoder = BinaryEncoder.of(field.message);
  const write: WriteValue = (out, value) => encoder.write(out, value);
  if (!('delimitedEncoding' in field && field.delimitedEncoding)) return delimited(field.number, write);
  const [start, end] = [tagOf(field.number, Wire.startGroup), tagOf(field.number, Wire.endGroup)];
  return (out, value) => {
    out.varint(start);
    write(out, value);
    out.varint(end);
  };
}

function compileList(field: DescField & { fieldKind: 'list' }): WriteField {
  const name = field.localName;
  if (field.listKind !== 'message' && field.packed) {
    const { write } = scalarWriterOf(field.scalar);
    const writeAll = delimited(field.number, (out, items) => {
      for (const item of items as unknown[]) write(out, item);
    });
    return (out, message) => {
      const items = toArray(message[name]);
      if (items.length > 0) writeAll(out, items);
    };
  }
  const write = field.listKind === 'message' ? compileMessage(field) : compileScalar(field);
  return (out, message) => {
    for (const item of toArray(message[name])) write(out, item);
  };
}

/** Entries are messages of a key, 1, and a value, 2. Both are written even if they are zero. */
function compileMap(field: DescField & { fieldKind: 'map' }): WriteField {
  const name = field.localName;
  const key = scalarWriterOf(field.mapKey);
  const keyTag = tagOf(1, key.wire);
  const toKey = compileToKey(field.mapKey);
  const writeValue = compileMapValue(field);
  const writeEntry = delimited(field.number, (out, entry) => {
    const [text, value] = entry as [string, unknown];
    out.varint(keyTag);
    key.write(out, toKey(text));
    writeValue(out, value);
  });
  return (out, message) => {
    for (const entry of Object.entries(message[name] as object)) writeEntry(out, entry);
  };
}

function compileMapValue(field: DescField & { fieldKind: 'map' }): WriteValue {
  if (field.mapKind !== 'message') {
    const { wire, write } = scalarWriterOf(field.scalar);
    const tag = tagOf(2, wire);
    return (out, value) => {
      out.varint(tag);
      write(out, value);
    };
  }
  if (isShownAsJson(field)) return refuse;
  const encoder = BinaryEncoder.of(field.message);
  return delimited(2, (out, value) => encoder.write(out, value));
}

/** Keys of maps are texts in JavaScript. */
function compileToKey(type: ScalarType): (key: string) => unknown {
  if (type === ScalarType.STRING) return (key) => key;
  if (type === ScalarType.BOOL) return (key) => (key === 'true' ? true : key === 'false' ? false : key);
  const parse = LONGS.has(type) ? BigInt : Number;
  return (key) => (/^-?\d+$/.test(key) ? parse(key) : key);
}

const LONGS: ReadonlySet<ScalarType> = new Set([
  ScalarType.INT64,
  ScalarType.UINT64,
  ScalarType.SINT64,
  ScalarType.FIXED64,
  ScalarType.SFIXED64,
]);

/** Behind a tag and its length. */
function delimited(number: number, write: WriteValue): WriteValue {
  const tag = tagOf(number, Wire.delimited);
  return (out, value) => {
    out.varint(tag);
    const at = out.begin();
    write(out, value);
    out.finish(at);
  };
}

/** A Struct is, but for those that stand in a Value. */
function isShownAsJson({ message, parent }: DescField & { message: DescMessage }): boolean {
  return message.typeName === 'google.protobuf.Struct' && parent.typeName !== 'google.protobuf.Value';
}

function toArray(items: unknown): readonly unknown[] {
  if (!Array.isArray(items)) throw ODD;
  return items;
}

function refuse(): never {
  throw ODD;
}
