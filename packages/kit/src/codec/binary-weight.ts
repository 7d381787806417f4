import { ScalarType, type DescField, type DescMessage } from '@bufbuild/protobuf';

/** An object that decoding makes: a message, an unknown field, a text, a map's entry. */
const OBJECT_WEIGHT = 8;
/** A value without an object of its own. */
const VALUE_WEIGHT = 1;
/** Decoding refuses what is deeper; so far the scan follows. */
const MAX_DEPTH = 100;

/** What a length-delimited field holds: a message, numbers in a row, or bytes that are only skipped. */
type Content = Shape | 'packed' | 'bytes';

/** The fields of a message, as far as the scan must tell them apart. */
type Shape = ReadonlyMap<number, Content>;

const shapes = new WeakMap<DescMessage, Shape>();

/**
 * How much decoding a message would make, in {@link OBJECT_WEIGHT}s, without making any of it; the scan stops at
 * `maxObjects`. Within 4 MiB fit two million empty messages: half a second of a blocked loop and sixty times the
 * memory. Malformed input counts up to where it breaks: the decoder says what is wrong.
 */
export function isHeavierThan(desc: DescMessage, bytes: Uint8Array, maxObjects: number): boolean {
  const scan = new Scan(bytes, maxObjects * OBJECT_WEIGHT);
  scan.message(shapeOf(desc), bytes.length, 1);
  return scan.weight > scan.limit;
}

class Scan {
  weight = 0;
  readonly limit: number;
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array, limit: number) {
    this.bytes = bytes;
    this.limit = limit;
  }

  /** False once there is nothing more to learn. A group's fields are counted as if they were of the message itself. */
  message(shape: Shape, end: number, depth: number): boolean {
    while (this.at < end) {
      const tag = this.varint();
      const content = shape.get(tag >>> 3);
      this.weight += content === undefined ? OBJECT_WEIGHT : VALUE_WEIGHT;
      if (this.weight > this.limit || !this.value(tag & 7, content, end, depth)) return false;
    }
    return this.at === end;
  }

  private value(wireType: number, content: Content | undefined, end: number, depth: number): boolean {
    switch (wireType) {
      case 0:
        this.varint();
        return this.at <= end;
      case 1:
        this.at += 8;
        return this.at <= end;
      case 2:
        return this.delimited(content, end, depth);
      case 3:
      case 4:
        return true;
      case 5:
        this.at += 4;
        return this.at <= end;
      default:
        return false;
    }
  }

  private delimited(content: Content | undefined, end: number, depth: number): boolean {
    const length = this.varint();
    const last = this.at + length;
    if (last > end) return false;
    if (typeof content === 'object') {
      this.weight += OBJECT_WEIGHT;
      return depth < MAX_DEPTH && this.message(content, last, depth + 1);
    }
    // At the shortest, an element of a byte each.
    this.weight += content === 'packed' ? (length * VALUE_WEIGHT) / 8 : OBJECT_WEIGHT;
    this.at = last;
    return this.weight <= this.limit;
  }

  /** At most ten bytes; more than 32 bits only have to be skipped. */
  private varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) return 0;
      if (shift < 35) value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return value;
  }
}

function shapeOf(desc: DescMessage): Shape {
  const known = shapes.get(desc);
  if (known !== undefined) return known;
  const shape = new Map<number, Content>();
  // Before its fields: a message may hold itself.
  shapes.set(desc, shape);
  for (const field of desc.fields) shape.set(field.number, contentOf(field));
  return shape;
}

function contentOf(field: DescField): Content {
  if (field.fieldKind === 'message') return shapeOf(field.message);
  if (field.fieldKind === 'map') {
    return new Map<number, Content>([
      [1, 'bytes'],
      [2, field.mapKind === 'message' ? shapeOf(field.message) : 'bytes'],
    ]);
  }
  if (field.fieldKind !== 'list') return 'bytes';
  if (field.listKind === 'message') return shapeOf(field.message);
  const isText = field.scalar === ScalarType.STRING || field.scalar === ScalarType.BYTES;
  return isText ? 'bytes' : 'packed';
}
