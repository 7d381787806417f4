/** Steps through protobuf's wire format. Source: protobuf.dev, Encoding. */

/** Groups inside groups beyond this are malformed, as for protobuf's own parsers. */
const MAX_GROUP_DEPTH = 100;

/** A number of up to 64 bits as two unsigned halves, and where the bytes after it begin. Reused, to allocate nothing. */
export interface Varint {
  low: number;
  high: number;
  next: number;
}

export function createVarint(): Varint {
  return { low: 0, high: 0, next: 0 };
}

/** Reads a varint of at most 10 bytes; false if there is none. */
export function readVarint(bytes: Uint8Array, from: number, end: number, into: Varint): boolean {
  let low = 0;
  let high = 0;
  for (let i = from, shift = 0; i < end && shift < 70; i++, shift += 7) {
    const byte = bytes[i] as number;
    const bits = byte & 0x7f;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high = bits >>> 4;
    } else high |= bits << (shift - 32);
    if (byte >= 0x80) continue;
    into.low = low >>> 0;
    into.high = high >>> 0;
    into.next = i + 1;
    return true;
  }
  return false;
}

/**
 * Where the value that stands behind `tag` ends, or -1 if it is malformed. For one with a length, `at.next` is where
 * its bytes begin.
 */
export function skipField(bytes: Uint8Array, from: number, end: number, tag: number, at: Varint): number {
  if (tag >>> 3 === 0) return -1;
  switch (tag & 7) {
    case 0:
      return readVarint(bytes, from, end, at) ? at.next : -1;
    case 1:
      return from + 8 <= end ? from + 8 : -1;
    case 2:
      if (!readVarint(bytes, from, end, at) || at.high !== 0 || at.low > end - at.next) return -1;
      return at.next + at.low;
    case 3:
      return skipGroup(bytes, from, end, tag >>> 3, at);
    case 5:
      return from + 4 <= end ? from + 4 : -1;
    default:
      return -1;
  }
}

/** Walks instead of calling itself: how deep it goes is the sender's choice. */
function skipGroup(bytes: Uint8Array, from: number, end: number, number: number, at: Varint): number {
  const open = [number];
  let i = from;
  while (i < end) {
    if (!readVarint(bytes, i, end, at) || at.high !== 0) return -1;
    const tag = at.low;
    i = at.next;
    if ((tag & 7) === 4) {
      if (open.pop() !== tag >>> 3) return -1;
      if (open.length === 0) return i;
    } else if ((tag & 7) === 3) {
      if (tag >>> 3 === 0 || open.push(tag >>> 3) > MAX_GROUP_DEPTH) return -1;
    } else {
      i = skipField(bytes, i, end, tag, at);
      if (i === -1) return -1;
    }
  }
  return -1;
}

/** Decimal and signed. */
export function textOfVarint({ low, high }: Varint, isZigzag: boolean): string {
  if (!isZigzag) return textOf64(low, high);
  const sign = -(low & 1);
  return textOf64((((low >>> 1) | (high << 31)) ^ sign) >>> 0, ((high >>> 1) ^ sign) >>> 0);
}

export function textOfFixed32(bytes: Uint8Array, from: number): string {
  return String(read32(bytes, from) | 0);
}

export function textOfFixed64(bytes: Uint8Array, from: number): string {
  return textOf64(read32(bytes, from), read32(bytes, from + 4));
}

function read32(bytes: Uint8Array, from: number): number {
  const [a, b, c, d] = [bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]] as [
    number,
    number,
    number,
    number,
  ];
  return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
}

/** Without a BigInt for what a number holds exactly. */
function textOf64(low: number, high: number): string {
  const signed = high | 0;
  if (signed >= -0x20_0000 && signed < 0x20_0000) return String(signed * 0x1_0000_0000 + low);
  return String((BigInt(signed) << 32n) | BigInt(low));
}
