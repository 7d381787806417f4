const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const BAD_OCTET = /[\0\r\n]/;
const SPACE = 32;
const TAB = 9;

/** Fields that speak about one HTTP/1.1 connection and have no place in HTTP/2 (RFC 9113, 8.2.2). */
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
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
  return faultOfName(name) ?? (isLawfulValue(value) ? undefined : `the value of ${name}`);
}

/** Whether a value may stand in a field (RFC 9113, 8.2.1). */
export function isLawfulValue(value: string): boolean {
  const first = value.charCodeAt(0);
  const last = value.charCodeAt(value.length - 1);
  return first !== SPACE && first !== TAB && last !== SPACE && last !== TAB && !BAD_OCTET.test(value);
}

/** The same of a name alone (RFC 9113, 8.2.1 and 8.2.2). */
export function faultOfName(name: string): string | undefined {
  if (lawfulNames.has(name)) return undefined;
  if (!NAME.test(name)) return `the field name ${JSON.stringify(name.slice(0, 40))}`;
  if (CONNECTION_FIELDS.has(name)) return `the connection-specific field ${name}`;
  // Starting over is enough: hostile peers cost a miss, honest names are back after one call.
  if (lawfulNames.size >= MAX_KNOWN_NAMES) lawfulNames.clear();
  lawfulNames.add(name);
  return undefined;
}

/** The number that a content-length says, or -1 where it is none. */
export function parseContentLength(value: string): number {
  return /^\d{1,15}$/.test(value) ? Number(value) : -1;
}
