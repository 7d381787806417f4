/** Milliseconds of one unit of `grpc-timeout`. */
const UNIT_MS = new Map([
  ['H', 3_600_000],
  ['M', 60_000],
  ['S', 1000],
  ['m', 1],
  ['u', 0.001],
  ['n', 0.000_001],
]);

/** Milliseconds of a `grpc-timeout`: 1 to 8 digits and a unit; undefined when malformed. Source: grpc PROTOCOL-HTTP2. */
export function parseGrpcTimeout(value: string): number | undefined {
  const unitMs = UNIT_MS.get(value.at(-1) ?? '');
  if (unitMs === undefined || value.length > 9 || !isDigits(value, value.length - 1)) return undefined;
  return Number(value.slice(0, -1)) * unitMs;
}

/** Milliseconds of a `connect-timeout-ms`: 1 to 10 digits; undefined when malformed. Source: Connect protocol, Timeout-Milliseconds. */
export function parseConnectTimeout(value: string): number | undefined {
  return value.length <= 10 && isDigits(value, value.length) ? Number(value) : undefined;
}

/** Whether the first `count` characters, at least one, are digits: Number() alone takes signs, spaces and hex. */
function isDigits(value: string, count: number): boolean {
  for (let i = 0; i < count; i++) {
    const char = value.charCodeAt(i);
    if (char < 48 || char > 57) return false;
  }
  return count > 0;
}
