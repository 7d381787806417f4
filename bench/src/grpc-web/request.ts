/** What a browser's page sends beside the call: about 600 bytes. */
const BROWSER_FIELDS = [
  'connection: keep-alive',
  'sec-ch-ua-platform: "Linux"',
  'authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJiZW5jaCIsImV4cCI6NDEwMjQ0NDgwMH0.c2lnbmF0dXJlLW9mLWEtYmVuY2g',
  'user-agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'sec-ch-ua: "Chromium";v="142", "Not=A?Brand";v="24"',
  'content-type: application/grpc-web+proto',
  'x-grpc-web: 1',
  'sec-ch-ua-mobile: ?0',
  'accept: */*',
  'sec-fetch-site: same-origin',
  'sec-fetch-mode: cors',
  'sec-fetch-dest: empty',
  'accept-encoding: gzip, deflate, br, zstd',
  'accept-language: en-GB,en;q=0.9',
];

/** The head of a gRPC-Web request up to its framing field. */
function headOf(authority: string, path: string, ...more: readonly string[]): string {
  const origin = `http://${authority}`;
  const fields = [`host: ${authority}`, ...BROWSER_FIELDS, `origin: ${origin}`, `referer: ${origin}/`, ...more];
  return `POST ${path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n`;
}

/** A message with its prefix. */
export function encodeFrame(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  return frame;
}

/** A whole unary request; `fields` are lines beside those of a browser. */
export function encodeUnaryRequest(
  authority: string,
  path: string,
  message: Uint8Array,
  fields: readonly string[] = [],
): Buffer {
  const head = headOf(authority, path, ...fields, `content-length: ${5 + message.length}`);
  return Buffer.concat([Buffer.from(head, 'latin1'), encodeFrame(message)]);
}

/** The head of a request whose messages follow as {@link encodeChunk}. */
export function encodeStreamHead(authority: string, path: string): Buffer {
  return Buffer.from(headOf(authority, path, 'transfer-encoding: chunked'), 'latin1');
}

/** One piece of a chunked body; an empty one is the last. */
export function encodeChunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`, 'latin1'), bytes, Buffer.from('\r\n')]);
}
