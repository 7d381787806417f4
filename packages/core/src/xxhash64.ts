/** A hash of 64 bits as two whole numbers of 32 bits, not negative: comparing both is exact, and nothing is allocated. */
export interface Hash64 {
  high: number;
  low: number;
}

const P1_HIGH = 0x9e3779b1 | 0;
const P1_LOW = 0x85ebca87 | 0;
const P2_HIGH = 0xc2b2ae3d | 0;
const P2_LOW = 0x27d4eb4f;
const P3_HIGH = 0x165667b1;
const P3_LOW = 0x9e3779f9 | 0;
const P4_HIGH = 0x85ebca77 | 0;
const P4_LOW = 0xc2b2ae63 | 0;
const P5_HIGH = 0x27d4eb2f;
const P5_LOW = 0x165667c5;

/** Bytes of the text that is hashed now; grows with the longest one so far. */
let textBytes = new Uint8Array(256);
/** The four accumulators of inputs of 32 bytes and more: low and high of each. */
const lanes = new Int32Array(8);

/**
 * XXH64 of a text's UTF-8 bytes. Not for what an attacker must not guess. Source: the xxHash specification,
 * github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
 */
export function hash64(text: string, seedLow = 0, seedHigh = 0): Hash64 {
  const hash = { high: 0, low: 0 };
  hash64Into(text, hash, seedLow, seedHigh);
  return hash;
}

/** As {@link hash64}, into an object that the caller keeps, and of bytes as well: allocates nothing. */
export function hash64Into(input: string | Uint8Array, out: Hash64, seedLow = 0, seedHigh = 0): void {
  // First encoded, since a long text gets another `textBytes`.
  const length = typeof input === 'string' ? encode(input) : input.length;
  hashBytes(typeof input === 'string' ? textBytes : input, length, out, seedLow | 0, seedHigh | 0);
}

/** Writes UTF-8 into `textBytes` and gives its length. Halves of a pair that stand alone become U+FFFD, as everywhere. */
function encode(text: string): number {
  const { length } = text;
  if (length * 3 > textBytes.length) textBytes = new Uint8Array(length * 6);
  const bytes = textBytes;
  let at = 0;
  for (let index = 0; index < length; index++) {
    let code = text.charCodeAt(index);
    if (code < 0x80) {
      bytes[at++] = code;
      continue;
    }
    if (code < 0x800) {
      bytes[at++] = 0xc0 | (code >> 6);
      bytes[at++] = 0x80 | (code & 0x3f);
      continue;
    }
    if ((code & 0xf800) === 0xd800) {
      const next = code < 0xdc00 && index + 1 < length ? text.charCodeAt(index + 1) : 0;
      if ((next & 0xfc00) === 0xdc00) {
        index++;
        code = 0x10000 + ((code & 0x3ff) << 10) + (next & 0x3ff);
        bytes[at++] = 0xf0 | (code >> 18);
        bytes[at++] = 0x80 | ((code >> 12) & 0x3f);
        bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
        bytes[at++] = 0x80 | (code & 0x3f);
        continue;
      }
      code = 0xfffd;
    }
    bytes[at++] = 0xe0 | (code >> 12);
    bytes[at++] = 0x80 | ((code >> 6) & 0x3f);
    bytes[at++] = 0x80 | (code & 0x3f);
  }
  return at;
}

/** `low` and `high` are always those of one 64-bit number; all arithmetic is modulo 2^64. */
function hashBytes(bytes: Uint8Array, length: number, out: Hash64, seedLow: number, seedHigh: number): void {
  let at = 0;
  let low = (seedLow + P5_LOW) | 0;
  let high = (seedHigh + P5_HIGH + carry(low, seedLow)) | 0;
  if (length >= 32) {
    at = fillLanes(bytes, length, seedLow, seedHigh);
    low = 0;
    high = 0;
    for (let lane = 0; lane < 8; lane += 2) {
      const shift = lane === 0 ? 1 : lane === 2 ? 7 : lane === 4 ? 12 : 18;
      const laneLow = lanes[lane] as number;
      const laneHigh = lanes[lane + 1] as number;
      const added = (laneLow << shift) | (laneHigh >>> (32 - shift));
      low = (low + added) | 0;
      high = (high + ((laneHigh << shift) | (laneLow >>> (32 - shift))) + carry(low, added)) | 0;
    }
    for (let lane = 0; lane < 8; lane += 2) {
      const mixedHigh = roundHigh(0, 0, lanes[lane] as number, lanes[lane + 1] as number);
      const mixedLow = roundLow(0, 0, lanes[lane] as number, lanes[lane + 1] as number);
      low ^= mixedLow;
      high ^= mixedHigh;
      high = (multiplyHigh(low, high, P1_LOW, P1_HIGH) + P4_HIGH) | 0;
      low = (Math.imul(low, P1_LOW) + P4_LOW) | 0;
      high = (high + carry(low, P4_LOW)) | 0;
    }
  }
  const sum = (low + length) | 0;
  high = (high + carry(sum, length)) | 0;
  low = sum;
  for (; at + 8 <= length; at += 8) {
    const laneLow = word(bytes, at);
    const laneHigh = word(bytes, at + 4);
    low ^= roundLow(0, 0, laneLow, laneHigh);
    high ^= roundHigh(0, 0, laneLow, laneHigh);
    const turned = (low << 27) | (high >>> 5);
    high = (high << 27) | (low >>> 5);
    high = (multiplyHigh(turned, high, P1_LOW, P1_HIGH) + P4_HIGH) | 0;
    low = (Math.imul(turned, P1_LOW) + P4_LOW) | 0;
    high = (high + carry(low, P4_LOW)) | 0;
  }
  if (at + 4 <= length) {
    const four = word(bytes, at);
    low ^= Math.imul(four, P1_LOW);
    high ^= multiplyHigh(four, 0, P1_LOW, P1_HIGH);
    const turned = (low << 23) | (high >>> 9);
    high = (high << 23) | (low >>> 9);
    high = (multiplyHigh(turned, high, P2_LOW, P2_HIGH) + P3_HIGH) | 0;
    low = (Math.imul(turned, P2_LOW) + P3_LOW) | 0;
    high = (high + carry(low, P3_LOW)) | 0;
    at += 4;
  }
  for (; at < length; at++) {
    const byte = bytes[at] as number;
    low ^= Math.imul(byte, P5_LOW);
    high ^= multiplyHigh(byte, 0, P5_LOW, P5_HIGH);
    const turned = (low << 11) | (high >>> 21);
    high = (high << 11) | (low >>> 21);
    high = multiplyHigh(turned, high, P1_LOW, P1_HIGH);
    low = Math.imul(turned, P1_LOW);
  }
  low ^= high >>> 1;
  high = multiplyHigh(low, high, P2_LOW, P2_HIGH);
  low = Math.imul(low, P2_LOW);
  low ^= (low >>> 29) | (high << 3);
  high ^= high >>> 29;
  high = multiplyHigh(low, high, P3_LOW, P3_HIGH);
  low = Math.imul(low, P3_LOW);
  out.high = high >>> 0;
  out.low = (low ^ high) >>> 0;
}

/** Takes all whole stripes of 32 bytes into `lanes`; gives where the rest begins. */
function fillLanes(bytes: Uint8Array, length: number, seedLow: number, seedHigh: number): number {
  setLane(0, seedLow, seedHigh, (P1_LOW + P2_LOW) | 0, (P1_HIGH + P2_HIGH + carry(P1_LOW + P2_LOW, P1_LOW)) | 0);
  setLane(2, seedLow, seedHigh, P2_LOW, P2_HIGH);
  setLane(4, seedLow, seedHigh, 0, 0);
  setLane(6, seedLow, seedHigh, -P1_LOW | 0, ~P1_HIGH);
  let at = 0;
  for (; at + 32 <= length; at += 32) {
    for (let lane = 0; lane < 8; lane += 2) {
      const inLow = word(bytes, at + lane * 4);
      const inHigh = word(bytes, at + lane * 4 + 4);
      const low = lanes[lane] as number;
      const high = lanes[lane + 1] as number;
      lanes[lane] = roundLow(low, high, inLow, inHigh);
      lanes[lane + 1] = roundHigh(low, high, inLow, inHigh);
    }
  }
  return at;
}

function setLane(lane: number, aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  lanes[lane] = aLow + bLow;
  lanes[lane + 1] = aHigh + bHigh + carry((aLow + bLow) | 0, aLow);
}

/** Little endian. */
function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** 1 if a sum of `part` and something else has gone beyond 32 bits. */
function carry(sum: number, part: number): number {
  return sum >>> 0 < part >>> 0 ? 1 : 0;
}

/** Low half of `rotl(state + input * P2, 31) * P1`. */
function roundLow(low: number, high: number, inLow: number, inHigh: number): number {
  const product = Math.imul(inLow, P2_LOW);
  const sumLow = (low + product) | 0;
  const sumHigh = (high + multiplyHigh(inLow, inHigh, P2_LOW, P2_HIGH) + carry(sumLow, product)) | 0;
  return Math.imul((sumLow << 31) | (sumHigh >>> 1), P1_LOW);
}

/** High half of the same. Both compute the sum: that is cheaper than handing two numbers back. */
function roundHigh(low: number, high: number, inLow: number, inHigh: number): number {
  const product = Math.imul(inLow, P2_LOW);
  const sumLow = (low + product) | 0;
  const sumHigh = (high + multiplyHigh(inLow, inHigh, P2_LOW, P2_HIGH) + carry(sumLow, product)) | 0;
  return multiplyHigh((sumLow << 31) | (sumHigh >>> 1), (sumHigh << 31) | (sumLow >>> 1), P1_LOW, P1_HIGH);
}

/** High half of the product of two 64-bit numbers; the low one is `Math.imul` of the low halves. */
function multiplyHigh(aLow: number, aHigh: number, bLow: number, bHigh: number): number {
  const a0 = aLow & 0xffff;
  const a1 = aLow >>> 16;
  const b0 = bLow & 0xffff;
  const b1 = bLow >>> 16;
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) | 0;
  const lower = ((middle & 0xffff) + Math.imul(a0, b1)) | 0;
  return (Math.imul(a1, b1) + (middle >>> 16) + (lower >>> 16) + Math.imul(aLow, bHigh) + Math.imul(aHigh, bLow)) | 0;
}
