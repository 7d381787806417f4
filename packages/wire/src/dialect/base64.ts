const INVALID = -1;
const PAD = -2;
const SEXTETS = createSextets();

function createSextets(): Int8Array {
  const sextets = new Int8Array(256).fill(INVALID);
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  for (let i = 0; i < 64; i++) sextets[alphabet.charCodeAt(i)] = i;
  // The URL-safe alphabet beside the other: Connect's GET uses it.
  sextets['-'.charCodeAt(0)] = 62;
  sextets['_'.charCodeAt(0)] = 63;
  sextets['='.charCodeAt(0)] = PAD;
  return sextets;
}

/** Decodes base64 that comes in pieces, with padding anywhere between groups of four, as gRPC-Web's text mode asks. */
export class Base64Decoder {
  /** Characters read of a group that has given no bytes yet, 0 to 3. */
  pending = 0;
  private bits = 0;
  private owesPad = false;

  /** True where the text may end. */
  isAtBoundary(): boolean {
    return this.pending === 0 && !this.owesPad;
  }

  /** The bytes of more text, or undefined when it is not base64. */
  decode(text: Uint8Array): Uint8Array | undefined {
    const out = new Uint8Array(((this.pending + text.length + 3) >> 2) * 3);
    let at = 0;
    for (const char of text) {
      const sextet = SEXTETS[char] as number;
      if (sextet === INVALID || (this.owesPad && sextet !== PAD)) return undefined;
      if (sextet === PAD) {
        if (this.owesPad) {
          this.owesPad = false;
          continue;
        }
        if (this.pending < 2) return undefined;
        this.owesPad = this.pending === 2;
        at = this.flush(out, at);
        continue;
      }
      this.bits = (this.bits << 6) | sextet;
      if (++this.pending < 4) continue;
      out[at++] = this.bits >> 16;
      out[at++] = this.bits >> 8;
      out[at++] = this.bits;
      this.pending = 0;
      this.bits = 0;
    }
    return out.subarray(0, at);
  }

  /** Writes the bytes of a group of two or three characters. */
  private flush(out: Uint8Array, from: number): number {
    let at = from;
    if (this.pending === 2) {
      out[at++] = this.bits >> 4;
    } else {
      out[at++] = this.bits >> 10;
      out[at++] = this.bits >> 2;
    }
    this.pending = 0;
    this.bits = 0;
    return at;
  }
}

/** Decodes a whole value in either alphabet, padded or not; undefined when it is not base64. */
export function decodeBase64(value: string): Uint8Array | undefined {
  const decoder = new Base64Decoder();
  const open = value.length % 4;
  // Sources differ in whether they pad (gRPC emits none): what is missing is added.
  const padded = open === 0 || value.endsWith('=') ? value : value.padEnd(value.length + 4 - open, '=');
  // Not latin1, which keeps one octet of each character: what is beyond it would pass for a letter.
  const bytes = decoder.decode(Buffer.from(padded, 'utf8'));
  return decoder.isAtBoundary() ? bytes : undefined;
}

/** Base64 with padding, as bytes to be written. */
export function encodeBase64(bytes: Uint8Array): Uint8Array {
  return Buffer.from(toBase64(bytes), 'latin1');
}

/** Base64 with padding. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64');
}
