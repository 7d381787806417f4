/** What the edge does with a request field of a known name. */
export type FieldUse =
  | 'pass'
  | 'drop'
  | 'host'
  | 'connection'
  | 'transfer-encoding'
  | 'content-length'
  | 'te'
  | 'upgrade';

export interface FieldName {
  /** Lower-case. */
  readonly name: string;
  readonly use: FieldUse;
}

const USES: Readonly<Record<string, FieldUse>> = {
  host: 'host',
  connection: 'connection',
  'transfer-encoding': 'transfer-encoding',
  'content-length': 'content-length',
  te: 'te',
  'keep-alive': 'drop',
  'proxy-connection': 'drop',
  upgrade: 'upgrade',
  'http2-settings': 'drop',
  expect: 'drop',
  trailer: 'drop',
};

const COMMON = `accept accept-encoding accept-language access-control-request-headers access-control-request-method
authorization cache-control connect-accept-encoding connect-content-encoding connect-protocol-version connect-timeout-ms
content-encoding content-type cookie dnt grpc-accept-encoding grpc-encoding grpc-timeout if-modified-since if-none-match
origin pragma priority range referer sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform sec-fetch-dest sec-fetch-mode
sec-fetch-site sec-gpc traceparent tracestate upgrade-insecure-requests user-agent x-forwarded-for x-forwarded-host
x-forwarded-proto x-grpc-web x-request-id x-user-agent`.split(/\s+/);

const KNOWN = createKnown();

/** Finds a name as its sender spelt it. The usual spellings cost one look-up and no new string. */
export function toFieldName(raw: string): FieldName {
  const known = KNOWN.get(raw);
  if (known !== undefined) return known;
  const name = raw.toLowerCase();
  return KNOWN.get(name) ?? { name, use: 'pass' };
}

function createKnown(): ReadonlyMap<string, FieldName> {
  const known = new Map<string, FieldName>();
  for (const name of [...Object.keys(USES), ...COMMON]) {
    const entry: FieldName = { name, use: USES[name] ?? 'pass' };
    const titled = name.replace(/(^|-)[a-z]/g, (start) => start.toUpperCase());
    known.set(name, entry).set(titled, entry);
  }
  return known;
}
