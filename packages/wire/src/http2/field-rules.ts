const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const BAD_VALUE = /[\0\r\n]|^[ \t]|[ \t]$/;

/** Fields that speak about one HTTP/1.1 connection and have no place in HTTP/2 (RFC 9113, 8.2.2). */
export const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
]);

const MAX_KNOWN_NAMES = 512;

/** Names found lawful before: they repeat from call to call. */
const lawfulNames = new Set<string>();

/** What makes a field malformed (RFC 9113, 8.2), or undefined. */
export function faultOfField(name: string, value: string): string | undefined {
  if (!lawfulNames.has(name)) {
    const fault = faultOfName(name);
    if (fault !== undefined) return fault;
    // Starting over is enough: hostile peers cost a miss, honest names are back after one call.
    if (lawfulNames.size >= MAX_KNOWN_NAMES) lawfulNames.clear();
    lawfulNames.add(name);
  }
  return BAD_VALUE.test(value) ? `the value of ${name}` : undefined;
}

function faultOfName(name: string): string | undefined {
  if (!NAME.test(name)) return `the field name ${JSON.stringify(name.slice(0, 40))}`;
  return CONNECTION_FIELDS.has(name) ? `the connection-specific field ${name}` : undefined;
}

/** The number that a content-length says, or -1 where it is none. */
export function parseContentLength(value: string): number {
  return /^\d{1,15}$/.test(value) ? Number(value) : -1;
}
