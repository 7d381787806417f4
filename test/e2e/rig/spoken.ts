import type { RawAnswer } from './raw-call.ts';

/** A way to say a call in raw bytes, and to read how it failed. */
export interface Spoken {
  readonly name: string;
  /** As the access log calls it. */
  readonly label: 'grpc' | 'grpc-web' | 'grpc-web-text' | 'connect' | 'connect-stream';
  readonly http: 1 | 2;
  readonly headers: Readonly<Record<string, string>>;
  /** A content type of the same family that nobody speaks. */
  readonly unknownType: string;
  /** Whether the HTTP status says how the call went. */
  readonly statusByCode: boolean;
  readonly framed: boolean;
  readonly encode: (bytes: Uint8Array) => Uint8Array | string;
  /** Name of the code in Connect's spelling; undefined is success. */
  readonly failureOf: (answer: RawAnswer) => string | undefined;
}

const CODES = [
  'ok',
  'canceled',
  'unknown',
  'invalid_argument',
  'deadline_exceeded',
  'not_found',
  'already_exists',
  'permission_denied',
  'resource_exhausted',
  'failed_precondition',
  'aborted',
  'out_of_range',
  'unimplemented',
  'internal',
  'unavailable',
  'data_loss',
  'unauthenticated',
];

const same = (bytes: Uint8Array): Uint8Array => bytes;

export const SPOKEN: readonly Spoken[] = [
  {
    name: 'gRPC',
    label: 'grpc',
    http: 2,
    headers: { 'content-type': 'application/grpc+proto', te: 'trailers' },
    unknownType: 'application/grpc+zip',
    statusByCode: false,
    framed: true,
    encode: same,
    failureOf: ({ headers, trailers }) => codeOf(headers['grpc-status'] ?? trailers['grpc-status']),
  },
  {
    name: 'gRPC-Web',
    label: 'grpc-web',
    http: 1,
    headers: { 'content-type': 'application/grpc-web+proto', 'x-grpc-web': '1' },
    unknownType: 'application/grpc-web+zip',
    statusByCode: false,
    framed: true,
    encode: same,
    failureOf: ({ headers, body }) => codeOf(headers['grpc-status'] ?? trailerFrameOf(body)),
  },
  {
    name: 'gRPC-Web in text',
    label: 'grpc-web-text',
    http: 1,
    headers: { 'content-type': 'application/grpc-web-text+proto', 'x-grpc-web': '1' },
    unknownType: 'application/grpc-web-text+zip',
    statusByCode: false,
    framed: true,
    encode: (bytes) => Buffer.from(bytes).toString('base64'),
    failureOf: ({ headers, body }) => codeOf(headers['grpc-status'] ?? trailerFrameOf(decodeText(body))),
  },
  {
    name: 'Connect unary',
    label: 'connect',
    http: 1,
    headers: { 'content-type': 'application/proto', 'connect-protocol-version': '1' },
    unknownType: 'application/zip',
    statusByCode: true,
    framed: false,
    // Without the prefix: its body is the message.
    encode: (bytes) => bytes.subarray(5),
    failureOf: unaryCodeOf,
  },
  {
    name: 'Connect stream',
    label: 'connect-stream',
    http: 1,
    headers: { 'content-type': 'application/connect+proto', 'connect-protocol-version': '1' },
    unknownType: 'application/connect+zip',
    statusByCode: false,
    framed: true,
    encode: same,
    failureOf: (answer) =>
      answer.headers['content-type']?.startsWith('application/connect+') === true
        ? endStreamCodeOf(answer.body)
        : unaryCodeOf(answer),
  },
];

/** The error of a unary answer; it is JSON whatever the codec. */
export function unaryCodeOf({ status, body }: RawAnswer): string | undefined {
  return status === 200 ? undefined : (JSON.parse(body.toString('utf8')) as { code: string }).code;
}

function codeOf(number: string | undefined): string | undefined {
  if (number === undefined) throw new Error('the answer has no grpc-status');
  return number === '0' ? undefined : CODES[Number(number)];
}

function trailerFrameOf(body: Buffer): string | undefined {
  return /^grpc-status: ?(\d+)\r$/m.exec(lastFrame(body, 0x80).toString('latin1'))?.[1];
}

function endStreamCodeOf(body: Buffer): string | undefined {
  return (JSON.parse(lastFrame(body, 0x02).toString('utf8')) as { error?: { code: string } }).error?.code;
}

/** The frame that ends a stream; what stands behind it is a fault of the answer. */
function lastFrame(body: Buffer, flag: number): Buffer {
  for (let at = 0; at < body.length;) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (body[at] === flag) {
      if (end !== body.length) throw new Error('bytes behind the last frame');
      return body.subarray(at + 5, end);
    }
    at = end;
  }
  throw new Error(`no frame with flag ${flag}: ${body.toString('latin1')}`);
}

/** Base64 in pieces, each with padding of its own. */
function decodeText(body: Buffer): Buffer {
  return Buffer.concat((body.toString('latin1').match(/.{4}/g) ?? []).map((quad) => Buffer.from(quad, 'base64')));
}
