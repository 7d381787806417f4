/** What a sticky session's cookie says. */
export interface Sticky {
  readonly instanceId: string;
  /** Wall-clock time at which the cookie was set, to the second. */
  readonly sinceMs: number;
}

/** Longer values are none of ours. */
const MAX_VALUE_LENGTH = 512;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A cookie's value: the instance id in base64url, and when it was set. It names an endpoint by what it is and not by
 * where it is, so it outlives a move, and gives away no address. It needs no signature: who forges one chooses among
 * the endpoints that serve the call anyway.
 */
export function encodeSticky({ instanceId, sinceMs }: Sticky): string {
  let binary = '';
  for (const byte of ENCODER.encode(instanceId)) binary += String.fromCharCode(byte);
  const id = btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  return `${id}.${Math.floor(sinceMs / 1000).toString(36)}`;
}

/** The reverse of {@link encodeSticky}; undefined for what it has not made. */
export function decodeSticky(value: string): Sticky | undefined {
  const match = value.length <= MAX_VALUE_LENGTH ? /^([\w-]+)\.([\da-z]{1,8})$/.exec(value) : null;
  if (match === null) return undefined;
  const [, id, since] = match as unknown as [string, string, string];
  try {
    const binary = atob(id.replaceAll('-', '+').replaceAll('_', '/'));
    const instanceId = DECODER.decode(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
    return { instanceId, sinceMs: Number.parseInt(since, 36) * 1000 };
  } catch {
    return undefined;
  }
}
