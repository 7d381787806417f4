import { ScalarType } from '@bufbuild/protobuf';
import { Wire } from './message-shape.ts';
import type { MessageBuffer } from './message-buffer.ts';

/** How values of one scalar type are written. */
export interface ScalarWriter {
  readonly wire: number;
  /** Whether a field without presence leaves it out. */
  readonly isZero: (value: unknown) => boolean;
  /** Throws where the value is not what the type has: strings for numbers, numbers out of range. */
  readonly write: (out: MessageBuffer, value: unknown) => void;
}

/** Says that a message is not as generated types have it. Made once, since nobody sees it. */
export const ODD = new Error('the value is not of its type');

const ZERO_NUMBER = (value: unknown): boolean => value === 0;
const ZERO_BIGINT = (value: unknown): boolean => value === 0n;
// 0 and -0 are two floating point numbers.
const ZERO_FLOAT = (value: unknown): boolean => Object.is(value, 0);

/** Two halves of 64 bits. */
const halves = new DataView(new ArrayBuffer(8));

/** Puts an integer of 64 bits into `halves`. */
function split(value: unknown, isSigned: boolean): void {
  if (typeof value !== 'bigint') throw ODD;
  if (isSigned) halves.setBigInt64(0, value, true);
  else halves.setBigUint64(0, value, true);
  if ((isSigned ? halves.getBigInt64(0, true) : halves.getBigUint64(0, true)) !== value) throw ODD;
}

function varint64(isSigned: boolean): ScalarWriter {
  return {
    wire: Wire.varint,
    isZero: ZERO_BIGINT,
    write(out, value) {
      split(value, isSigned);
      out.varint64(halves.getUint32(0, true), halves.getUint32(4, true));
    },
  };
}

function fixed64(isSigned: boolean): ScalarWriter {
  return {
    wire: Wire.fixed64,
    isZero: ZERO_BIGINT,
    write(out, value) {
      split(value, isSigned);
      out.reserve(8);
      out.view.setUint32(out.length, halves.getUint32(0, true), true);
      out.view.setUint32(out.length + 4, halves.getUint32(4, true), true);
      out.length += 8;
    },
  };
}

/** Writes as protobuf-es does, which the types' own encodings leave no choice in. Source: protobuf.dev, Encoding. */
const WRITERS: Readonly<Record<ScalarType, ScalarWriter>> = {
  [ScalarType.STRING]: {
    wire: Wire.delimited,
    isZero: (value) => value === '',
    write(out, value) {
      if (typeof value !== 'string') throw ODD;
      out.text(value);
    },
  },
  [ScalarType.BYTES]: {
    wire: Wire.delimited,
    isZero: (value) => value instanceof Uint8Array && value.byteLength === 0,
    write(out, value) {
      if (!(value instanceof Uint8Array)) throw ODD;
      out.varint(value.byteLength);
      out.append(value);
    },
  },
  [ScalarType.BOOL]: {
    wire: Wire.varint,
    isZero: (value) => value === false,
    write(out, value) {
      if (typeof value !== 'boolean') throw ODD;
      out.varint(value ? 1 : 0);
    },
  },
  [ScalarType.INT32]: {
    wire: Wire.varint,
    isZero: ZERO_NUMBER,
    write(out, value) {
      const number = toInt32(value);
      if (number < 0) out.varint64(number, -1);
      else out.varint(number);
    },
  },
  [ScalarType.UINT32]: {
    wire: Wire.varint,
    isZero: ZERO_NUMBER,
    write: (out, value) => out.varint(toUint32(value)),
  },
  [ScalarType.SINT32]: {
    wire: Wire.varint,
    isZero: ZERO_NUMBER,
    write(out, value) {
      const number = toInt32(value);
      out.varint(((number << 1) ^ (number >> 31)) >>> 0);
    },
  },
  [ScalarType.FIXED32]: {
    wire: Wire.fixed32,
    isZero: ZERO_NUMBER,
    write(out, value) {
      out.reserve(4);
      out.view.setUint32(out.length, toUint32(value), true);
      out.length += 4;
    },
  },
  [ScalarType.SFIXED32]: {
    wire: Wire.fixed32,
    isZero: ZERO_NUMBER,
    write(out, value) {
      out.reserve(4);
      out.view.setInt32(out.length, toInt32(value), true);
      out.length += 4;
    },
  },
  [ScalarType.INT64]: varint64(true),
  [ScalarType.UINT64]: varint64(false),
  [ScalarType.SINT64]: {
    wire: Wire.varint,
    isZero: ZERO_BIGINT,
    write(out, value) {
      split(value, true);
      const [lo, hi] = [halves.getInt32(0, true), halves.getInt32(4, true)];
      const sign = hi >> 31;
      out.varint64((lo << 1) ^ sign, ((hi << 1) | (lo >>> 31)) ^ sign);
    },
  },
  [ScalarType.FIXED64]: fixed64(false),
  [ScalarType.SFIXED64]: fixed64(true),
  [ScalarType.FLOAT]: {
    wire: Wire.fixed32,
    isZero: ZERO_FLOAT,
    write(out, value) {
      // A number too large for 32 bits would become infinite.
      if (typeof value !== 'number' || Number.isFinite(value) !== Number.isFinite(Math.fround(value))) throw ODD;
      out.reserve(4);
      out.view.setFloat32(out.length, value, true);
      out.length += 4;
    },
  },
  [ScalarType.DOUBLE]: {
    wire: Wire.fixed64,
    isZero: ZERO_FLOAT,
    write(out, value) {
      if (typeof value !== 'number') throw ODD;
      out.reserve(8);
      out.view.setFloat64(out.length, value, true);
      out.length += 8;
    },
  },
};

/** The writer of a type; enums, which have none, are written as INT32. */
export function scalarWriterOf(type: ScalarType = ScalarType.INT32): ScalarWriter {
  return WRITERS[type];
}

function toInt32(value: unknown): number {
  if (typeof value !== 'number' || (value | 0) !== value) throw ODD;
  return value;
}

function toUint32(value: unknown): number {
  if (typeof value !== 'number' || value >>> 0 !== value) throw ODD;
  return value;
}
