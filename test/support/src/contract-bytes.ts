/** `length` bytes that differ by `seed` and by place, so that a mix-up of calls or of order shows. */
export function patternBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 17 + seed * 101) & 0xff;
  return bytes;
}

/** One uncompressed gRPC message. */
export function frameMessage(payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(5 + payload.length);
  new DataView(message.buffer).setUint32(1, payload.length);
  message.set(payload, 5);
  return message;
}

/** Equality without printing megabytes when it fails. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
