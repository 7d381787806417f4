/**
 * Fields of one hop or of the representation, which no hop hands on. Source: RFC 9110, 7.6.1; RFC 9113, 8.2.2.
 */
export const HOP_FIELDS: ReadonlySet<string> = new Set([
  'connection',
  'proxy-connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'content-length',
  'host',
  'expect',
]);
