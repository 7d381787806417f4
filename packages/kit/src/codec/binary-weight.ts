import type { DescMessage } from '@bufbuild/protobuf';
import { NO_FIELDS_KNOWN, shapeOf, Wire, type FieldShape, type MessageShape } from './message-shape.ts';

/** An object that decoding makes: a message, an unknown field, a text, a map's entry. */
const OBJECT_WEIGHT = 8;
/** A value without an object of its own. */
const VALUE_WEIGHT = 1;

interface WeightLimits {
  readonly maxObjects: number;
  readonly maxDepth: number;
}

/**
 * Judges a message without decoding any of it. Within 4 MiB fit two million empty messages: half a second of a blocked
 * loop and sixty times the memory. The decoder takes fields in wire types that are not theirs, and reads on elsewhere
 * than this scan would: so such a message is `malformed`, and must not be decoded either.
 */
export function weighBinary(
  desc: DescMessage,
  bytes: Uint8Array,
  limits: WeightLimits,
): 'fine' | 'heavy' | 'malformed' {
  const scan = new Scan(bytes, limits);
  const isWhole = scan.message(shapeOf(desc), bytes.length, 1);
  if (scan.isHeavy()) return 'heavy';
  return isWhole ? 'fine' : 'malformed';
}

class Scan {
  private weight = 0;
  private at = 0;
  private readonly bytes: Uint8Array;
  private readonly maxWeight: number;
  private readonly maxDepth: number;

  constructor(bytes: Uint8Array, { maxObjects, maxDepth }: WeightLimits) {
    this.bytes = bytes;
    this.maxWeight = maxObjects * OBJECT_WEIGHT;
    this.maxDepth = maxDepth;
  }

  isHeavy(): boolean {
    return this.weight > this.maxWeight;
  }

  /** Reads fields up to `end`, or up to the end of `group`. False once there is nothing more to learn. */
  message(shape: MessageShape, end: number, depth: number, group?: number): boolean {
    if (depth > this.maxDepth) return false;
    while (this.at < end) {
      const tag = this.varint();
      const number = Math.floor(tag / 8);
      const wire = tag % 8;
      if (wire === Wire.endGroup) return number === group;
      const field = shape.get(number);
      if (!this.field({ number, wire, end, depth }, field) || this.isHeavy()) return false;
    }
    return this.at === end && group === undefined;
  }

  private field(read: { number: number; wire: number; end: number; depth: number }, field?: FieldShape): boolean {
    const { number, wire, end, depth } = read;
    const isPacked = wire === Wire.delimited && field?.packedWeight !== undefined;
    if (field !== undefined && wire !== field.wire && !isPacked) return false;
    const isObject = field === undefined || wire === Wire.delimited || wire === Wire.startGroup;
    this.weight += isObject && !isPacked ? OBJECT_WEIGHT : VALUE_WEIGHT;
    if (wire === Wire.startGroup) return this.message(field?.message ?? NO_FIELDS_KNOWN, end, depth + 1, number);
    if (wire !== Wire.delimited) return this.skip(wire) && this.at <= end;
    const length = this.varint();
    const last = this.at + length;
    if (last > end) return false;
    if (field?.message !== undefined) return this.message(field.message, last, depth + 1);
    this.at = last;
    if (field?.packedWeight === undefined) return true;
    this.weight += length * field.packedWeight;
    return this.endsNumbers(field.wire, length);
  }

  /** Whether numbers in a row end where their field does: the decoder reads the last of them beyond it otherwise. */
  private endsNumbers(wire: number, length: number): boolean {
    if (wire === Wire.fixed64) return length % 8 === 0;
    if (wire === Wire.fixed32) return length % 4 === 0;
    return length === 0 || (this.bytes[this.at - 1] as number) < 0x80;
  }

  private skip(wire: number): boolean {
    switch (wire) {
      case Wire.varint:
        this.varint();
        return true;
      case Wire.fixed64:
        this.at += 8;
        return true;
      case Wire.fixed32:
        this.at += 4;
        return true;
      default:
        return false;
    }
  }

  /** Exact up to 2^53; what ends too early counts as read beyond the end. */
  private varint(): number {
    let value = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[this.at++];
      if (byte === undefined) break;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    this.at = Number.POSITIVE_INFINITY;
    return 0;
  }
}
