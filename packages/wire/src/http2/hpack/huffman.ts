/**
 * Length in bits of each symbol's code, one base-36 digit per symbol, 0 to 255 and then EOS. The code of RFC 7541,
 * Appendix B is canonical (shorter codes first, equal lengths in order of the symbol), so the lengths say it all.
 */
const CODE_LENGTHS =
  'dnsssssssoussuss' +
  'ssssssusssssssss' +
  '6aacd68baa8b8666' +
  '555666666678f6ca' +
  'd677777777777777' +
  '77777777878djde6' +
  'f565656665776665' +
  '67655677777fbeds' +
  'kmkkmmmnmnnnnnon' +
  'oomnonnnnlmnmnno' +
  'mlkmmnnlnmmolmnn' +
  'llmlnmnnkmmmnmmn' +
  'qqkjmnmpqqqrrqop' +
  'jlqrrqrollqqsrrr' +
  'koklmllnmmppooqn' +
  'qrqqrrrrrsrrrrrq' +
  'u';
const EOS = 256;
const LONGEST_BITS = 30;
/** At most 7 bits of padding, all ones (RFC 7541, 5.2). */
const MAX_PADDING_BITS = 7;

const lengths = new Uint8Array(EOS + 1);
const codes = new Uint32Array(EOS + 1);
for (let symbol = 0; symbol <= EOS; symbol++) lengths[symbol] = Number.parseInt(CODE_LENGTHS[symbol] as string, 36);
assignCodes();

function assignCodes(): void {
  let code = 0;
  for (let bits = 1; bits <= LONGEST_BITS; bits++) {
    for (let symbol = 0; symbol <= EOS; symbol++) {
      if (lengths[symbol] === bits) codes[symbol] = code++;
    }
    code *= 2;
  }
}

/** Bytes a latin1 string takes when coded. */
export function huffmanLength(value: string): number {
  let bits = 0;
  for (let i = 0; i < value.length; i++) bits += lengths[value.charCodeAt(i) & 0xff] as number;
  return (bits + 7) >>> 3;
}

/** Codes a latin1 string into `out` at `at`; returns where it ended. */
export function encodeHuffman(value: string, out: Uint8Array, at: number): number {
  let pending = 0;
  let pendingBits = 0;
  for (let i = 0; i < value.length; i++) {
    const symbol = value.charCodeAt(i) & 0xff;
    const code = codes[symbol] as number;
    // Up to 30 bits come on top of up to 7: taken in two parts, since shifts work on 32 bits.
    for (let left = lengths[symbol] as number; left > 0;) {
      const take = Math.min(left, 8 - pendingBits);
      left -= take;
      pending = (pending << take) | ((code >>> left) & ((1 << take) - 1));
      pendingBits += take;
      if (pendingBits === 8) {
        out[at++] = pending;
        pending = 0;
        pendingBits = 0;
      }
    }
  }
  if (pendingBits > 0) {
    const free = 8 - pendingBits;
    out[at++] = (pending << free) | ((1 << free) - 1);
  }
  return at;
}

/** Decoding walks the code tree four bits at a time: [node * 16 + nibble] = (symbol + 1) << 16 | next node, or -1. */
const NODES = 256;
const steps = new Int32Array(NODES * 16);
/** Nodes in which a string may end: the root and the first seven on the way of ones. */
const mayEnd = new Uint8Array(NODES);
buildSteps();

function buildSteps(): void {
  const children = buildTree();
  for (let node = 0; node < NODES; node++) {
    for (let nibble = 0; nibble < 16; nibble++) steps[node * 16 + nibble] = walk(children, node, nibble);
  }
  let node = 0;
  for (let depth = 0; depth <= MAX_PADDING_BITS; depth++) {
    mayEnd[node] = 1;
    node = children[node * 2 + 1] as number;
  }
}

/** Children of inner nodes: a positive number is an inner node, -(symbol + 1) a leaf. */
function buildTree(): Int16Array {
  const children = new Int16Array(NODES * 2);
  let used = 1;
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0;
    for (let left = (lengths[symbol] as number) - 1; left >= 0; left--) {
      const at = node * 2 + (((codes[symbol] as number) >>> left) & 1);
      if (left === 0) children[at] = -(symbol + 1);
      else if (children[at] === 0) children[at] = used++;
      node = children[at] as number;
    }
  }
  return children;
}

function walk(children: Int16Array, start: number, nibble: number): number {
  let node = start;
  let symbol = -1;
  for (let bit = 3; bit >= 0; bit--) {
    const next = children[node * 2 + ((nibble >>> bit) & 1)] as number;
    if (next >= 0) {
      node = next;
      continue;
    }
    symbol = -next - 1;
    // EOS inside a string is a decoding error (RFC 7541, 5.2).
    if (symbol === EOS) return -1;
    node = 0;
  }
  return ((symbol + 1) << 16) | node;
}

const SCRATCH_BYTES = 16_384;
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);

/** Decodes `bytes[start..end)`, or undefined for a wrong code or padding. */
export function decodeHuffman(bytes: Uint8Array, start: number, end: number): string | undefined {
  // The shortest code has 5 bits, so 8/5 of the coded bytes always hold the text.
  const needed = Math.ceil(((end - start) * 8) / 5);
  const out = needed <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafeSlow(needed);
  let node = 0;
  let length = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    const high = steps[node * 16 + (byte >>> 4)] as number;
    if (high < 0) return undefined;
    if (high > 0xffff) out[length++] = (high >>> 16) - 1;
    const low = steps[(high & 0xffff) * 16 + (byte & 15)] as number;
    if (low < 0) return undefined;
    if (low > 0xffff) out[length++] = (low >>> 16) - 1;
    node = low & 0xffff;
  }
  return mayEnd[node] === 1 ? out.toString('latin1', 0, length) : undefined;
}
