const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;

/**
 * Trailers from the payload of the last frame: `name: value` and a line end each. Names come in any case and spaces
 * around values are not theirs. Undefined when a line is none. Source: grpc PROTOCOL-WEB.
 */
export function parseTrailerBlock(bytes: Uint8Array): string[] | undefined {
  const trailers: string[] = [];
  for (const line of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1').split('\n')) {
    const text = line.endsWith('\r') ? line.slice(0, -1) : line;
    if (text === '') continue;
    const colon = text.indexOf(':');
    const name = text.slice(0, Math.max(0, colon)).trim().toLowerCase();
    const value = text.slice(colon + 1).trim();
    // A bare CR or NUL in a value would be refused, or worse understood, by the next hop.
    if (!NAME.test(name) || value.includes('\r') || value.includes('\0')) return undefined;
    trailers.push(name, value);
  }
  return trailers;
}
