/** A hash of 64 bits as two whole numbers of 32 bits, not negative: comparing both is exact, and nothing is allocated. */
export interface Hash64 {
  high: number;
  low: number;
}

const P1_LOW = 0x85ebca87 | 0;
const P1_HIGH = 0x9e3779b1 | 0;
const P2_LOW = 0x27d4eb4f;
const P2_HIGH = 0xc2b2ae3d | 0;
const P3_LOW = 0x9e3779f9 | 0;
const P3_HIGH = 0x165667b1;
const P4_LOW = 0xc2b2ae63 | 0;
const P4_HIGH = 0x85ebca77 | 0;
const P5_LOW = 0x165667c5;
const P5_HIGH = 0x27d4eb2f;

const { imul } = Math;

/** Bytes of the text that is hashed now; grows with the longest one so far. */
let textBytes = new Uint8Array(256);
/** Low and high half of the hash so far, handed from one stage to the next. */
const state = new Int32Array(2);
/** The four accumulators of inputs of 32 bytes and more: low and high half of each. */
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

/** The stages of XXH64. All arithmetic is modulo 2^64, a number being its low and its high half. */
function hashBytes(bytes: Uint8Array, length: number, out: Hash64, seedLow: number, seedHigh: number): void {
  let at = 0;
  if (length >= 32) {
    at = takeStripes(bytes, length, seedLow, seedHigh);
    joinLanes();
  } else {
    state[0] = seedLow + P5_LOW;
    state[1] = seedHigh + P5_HIGH + carry((seedLow + P5_LOW) | 0, seedLow);
  }
  const low = ((state[0] as number) + length) | 0;
  state[1] = (state[1] as number) + carry(low, length);
  state[0] = low;
  at = takeEights(bytes, at, length);
  if (at < length) takeRest(bytes, at, length);
  finish(out);
}

/** Takes all whole stripes of 32 bytes into `lanes`; gives where the rest begins. */
function takeStripes(bytes: Uint8Array, length: number, seedLow: number, seedHigh: number): number {
  const p12 = (P1_LOW + P2_LOW) | 0;
  setLane(0, seedLow, seedHigh, p12, P1_HIGH + P2_HIGH + carry(p12, P1_LOW));
  setLane(2, seedLow, seedHigh, P2_LOW, P2_HIGH);
  setLane(4, seedLow, seedHigh, 0, 0);
  setLane(6, seedLow, seedHigh, -P1_LOW | 0, ~P1_HIGH);
  let at = 0;
  for (; at + 32 <= length; at += 32) {
    for (let lane = 0; lane < 8; lane += 2) takeLane(lane, word(bytes, at + lane * 4), word(bytes, at + lane * 4 + 4));
  }
  return at;
}

function setLane(lane: number, aLow: number, aHigh: number, bLow: number, bHigh: number): void {
  lanes[lane] = aLow + bLow;
  lanes[lane + 1] = aHigh + bHigh + carry((aLow + bLow) | 0, aLow);
}

/** `lane = rotl(lane + input * P2, 31) * P1` */
function takeLane(lane: number, inLow: number, inHigh: number): void {
  const product = imul(inLow, P2_LOW);
  const sumLow = ((lanes[lane] as number) + product) | 0;
  const sumHigh = ((lanes[lane + 1] as number) + highTimesP2(inLow, inHigh) + carry(sumLow, product)) | 0;
  const turned = (sumLow << 31) | (sumHigh >>> 1);
  lanes[lane] = imul(turned, P1_LOW);
  lanes[lane + 1] = highTimesP1(turned, (sumHigh << 31) | (sumLow >>> 1));
}

function joinLanes(): void {
  let low = 0;
  let high = 0;
  for (let lane = 0; lane < 8; lane += 2) {
    const shift = lane === 0 ? 1 : lane === 2 ? 7 : lane === 4 ? 12 : 18;
    const laneLow = lanes[lane] as number;
    const laneHigh = lanes[lane + 1] as number;
    const added = (laneLow << shift) | (laneHigh >>> (32 - shift));
    low = (low + added) | 0;
    high = (high + ((laneHigh << shift) | (laneLow >>> (32 - shift))) + carry(low, added)) | 0;
  }
  for (let lane = 0; lane < 8; lane += 2) {
    const inLow = lanes[lane] as number;
    const inHigh = lanes[lane + 1] as number;
    lanes[lane] = 0;
    lanes[lane + 1] = 0;
    takeLane(lane, inLow, inHigh);
    low ^= lanes[lane] as number;
    high ^= lanes[lane + 1] as number;
    high = (highTimesP1(low, high) + P4_HIGH) | 0;
    low = (imul(low, P1_LOW) + P4_LOW) | 0;
    high = (high + carry(low, P4_LOW)) | 0;
  }
  state[0] = low;
  state[1] = high;
}

/** Eight bytes at a time; gives where the rest begins. */
function takeEights(bytes: Uint8Array, from: number, length: number): number {
  let low = state[0] as number;
  let high = state[1] as number;
  let at = from;
  for (; at + 8 <= length; at += 8) {
    const inLow = word(bytes, at);
    const inHigh = highTimesP2(inLow, word(bytes, at + 4));
    const product = imul(inLow, P2_LOW);
    const mixed = (product << 31) | (inHigh >>> 1);
    high ^= highTimesP1(mixed, (inHigh << 31) | (product >>> 1));
    low ^= imul(mixed, P1_LOW);
    const turned = (low << 27) | (high >>> 5);
    high = (highTimesP1(turned, (high << 27) | (low >>> 5)) + P4_HIGH) | 0;
    low = (imul(turned, P1_LOW) + P4_LOW) | 0;
    high = (high + carry(low, P4_LOW)) | 0;
  }
  state[0] = low;
  state[1] = high;
  return at;
}

/** At most seven bytes. */
function takeRest(bytes: Uint8Array, from: number, length: number): void {
  let low = state[0] as number;
  let high = state[1] as number;
  let at = from;
  if (at + 4 <= length) {
    const four = word(bytes, at);
    high ^= highTimesP1(four, 0);
    low ^= imul(four, P1_LOW);
    const turned = (low << 23) | (high >>> 9);
    high = (highTimesP2(turned, (high << 23) | (low >>> 9)) + P3_HIGH) | 0;
    low = (imul(turned, P2_LOW) + P3_LOW) | 0;
    high = (high + carry(low, P3_LOW)) | 0;
    at += 4;
  }
  for (; at < length; at++) {
    const byte = bytes[at] as number;
    high ^= imul(byte, P5_HIGH) + ((byte * (P5_LOW >>> 16) + ((byte * (P5_LOW & 0xffff)) >>> 16)) >>> 16);
    low ^= imul(byte, P5_LOW);
    const turned = (low << 11) | (high >>> 21);
    high = highTimesP1(turned, (high << 11) | (low >>> 21));
    low = imul(turned, P1_LOW);
  }
  state[0] = low;
  state[1] = high;
}

function finish(out: Hash64): void {
  let high = state[1] as number;
  let low = (state[0] as number) ^ (high >>> 1);
  high = highTimesP2(low, high);
  low = imul(low, P2_LOW);
  low ^= (low >>> 29) | (high << 3);
  high ^= high >>> 29;
  high = highTimesP3(low, high);
  low = imul(low, P3_LOW);
  out.high = high >>> 0;
  out.low = (low ^ high) >>> 0;
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

// High halves of products with a constant; the low one is `imul` of the low halves. One function per constant, with
// its quarters written out, is small enough to be inlined everywhere: that halves the time of a hash.

function highTimesP1(low: number, high: number): number {
  const quarter = low & 0xffff;
  const next = low >>> 16;
  const middle = imul(next, 0xca87) + (imul(quarter, 0xca87) >>> 16);
  const lower = (middle & 0xffff) + imul(quarter, 0x85eb);
  return (imul(next, 0x85eb) + (middle >>> 16) + (lower >>> 16) + imul(low, P1_HIGH) + imul(high, P1_LOW)) | 0;
}

function highTimesP2(low: number, high: number): number {
  const quarter = low & 0xffff;
  const next = low >>> 16;
  const middle = imul(next, 0xeb4f) + (imul(quarter, 0xeb4f) >>> 16);
  const lower = (middle & 0xffff) + imul(quarter, 0x27d4);
  return (imul(next, 0x27d4) + (middle >>> 16) + (lower >>> 16) + imul(low, P2_HIGH) + imul(high, P2_LOW)) | 0;
}

function highTimesP3(low: number, high: number): number {
  const quarter = low & 0xffff;
  const next = low >>> 16;
  const middle = imul(next, 0x79f9) + (imul(quarter, 0x79f9) >>> 16);
  const lower = (middle & 0xffff) + imul(quarter, 0x9e37);
  return (imul(next, 0x9e37) + (middle >>> 16) + (lower >>> 16) + imul(low, P3_HIGH) + imul(high, P3_LOW)) | 0;
}
