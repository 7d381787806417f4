/**
 * The `attempt`-th other hash of a hash, half by half: far away from it and from each other, and always the same.
 * By the finalizer of MurmurHash3, which lets each bit change half of all others.
 */
export function jumpLow(low: number, attempt: number): number {
  return mix(low ^ Math.imul(attempt, 0x9e3779b1));
}

/** As {@link jumpLow}, which differs for hashes that have one half in common. */
export function jumpHigh(high: number, low: number, attempt: number): number {
  return mix(high ^ mix(low + Math.imul(attempt, 0x85ebca77)));
}

function mix(value: number): number {
  let mixed = value ^ (value >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
