import { isUtf8 } from 'node:buffer';
import type { Fields, RequestHead } from '@bascule/core';
import { toBase64 } from '../base64.ts';
import { HOP_FIELDS } from '../../hop-fields.ts';
import { codecOf } from '../upstream-format.ts';
import { parseGrpcTimeout } from '../timeout.ts';

/** Longer ones are refused by servers and cut by proxies. */
const MAX_GET_PATH_CHARS = 8_192;
/** Ten digits are the most that a timeout may have; this is 115 days. */
const MAX_TIMEOUT_MS = 9_999_999_999;

/** A callee's fields that a dialect says in names of its own. */
interface RequestParts {
  readonly codec: 'proto' | 'json';
  readonly encoding: string | undefined;
  readonly acceptEncoding: string | undefined;
  readonly timeoutMs: string | undefined;
  /** The caller's own, in order. */
  readonly rest: string[];
}

/** Takes the fields of an inner request apart. */
function readInnerFields(fields: Fields): RequestParts {
  let contentType = '';
  let encoding: string | undefined;
  let acceptEncoding: string | undefined;
  let timeoutMs: string | undefined;
  const rest: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    switch (name) {
      case 'content-type':
        contentType = value;
        break;
      case 'grpc-encoding':
        encoding = value;
        break;
      case 'grpc-accept-encoding':
        acceptEncoding = value;
        break;
      case 'grpc-timeout':
        timeoutMs = toConnectTimeout(value);
        break;
      default:
        if (!HOP_FIELDS.has(name)) rest.push(name, value);
    }
  }
  return { codec: codecOf(contentType), encoding, acceptEncoding, timeoutMs, rest };
}

/** Rounded up: a callee that gets less than a millisecond more than there is does no harm, one that gets 0 does no work. */
function toConnectTimeout(value: string): string | undefined {
  const timeoutMs = parseGrpcTimeout(value);
  return timeoutMs === undefined ? undefined : String(Math.min(MAX_TIMEOUT_MS, Math.ceil(timeoutMs)));
}

/** The head of a stream. */
export function toStreamHead(head: RequestHead): RequestHead {
  const { codec, encoding, acceptEncoding, timeoutMs, rest } = readInnerFields(head.fields);
  const fields = ['content-type', `application/connect+${codec}`, 'connect-protocol-version', '1'];
  if (encoding !== undefined) fields.push('connect-content-encoding', encoding);
  if (acceptEncoding !== undefined) fields.push('connect-accept-encoding', acceptEncoding);
  if (timeoutMs !== undefined) fields.push('connect-timeout-ms', timeoutMs);
  fields.push(...rest);
  return { ...head, fields };
}

/** The message of a unary request, as its prefix says it. */
interface UnaryPrefix {
  readonly compressed: boolean;
  readonly length: number;
}

/** The head of a unary POST. */
export function toPostHead(head: RequestHead, { compressed, length }: UnaryPrefix): RequestHead {
  const { codec, encoding, acceptEncoding, timeoutMs, rest } = readInnerFields(head.fields);
  const fields = ['content-type', `application/${codec}`, 'connect-protocol-version', '1'];
  if (compressed && encoding !== undefined) fields.push('content-encoding', encoding);
  if (acceptEncoding !== undefined) fields.push('accept-encoding', acceptEncoding);
  if (timeoutMs !== undefined) fields.push('connect-timeout-ms', timeoutMs);
  fields.push(...rest, 'content-length', String(length));
  return { ...head, fields };
}

/** Whether a message of `length` bytes can fit a GET's path at all. */
export function mayFitPath(length: number): boolean {
  return length <= MAX_GET_PATH_CHARS;
}

/**
 * The head of a unary GET; undefined when its path would be too long. Parameters stand in the order of the Connect
 * protocol (Query-Get), so that equal requests are equal to caches.
 */
export function toGetHead(head: RequestHead, message: Uint8Array, compressed: boolean): RequestHead | undefined {
  const { codec, encoding, acceptEncoding, timeoutMs, rest } = readInnerFields(head.fields);
  const packed = compressed && encoding !== undefined;
  // Bytes that are no text would not come through as text, whatever they claim to be.
  const inBase64 = packed || codec !== 'json' || !isUtf8(message);
  const text = inBase64 ? toUrlBase64(message) : encodeURIComponent(Buffer.from(message).toString('utf8'));
  const path =
    `${head.path}?connect=v1${inBase64 ? '&base64=1' : ''}` +
    `${packed ? `&compression=${encodeURIComponent(encoding)}` : ''}&encoding=${codec}&message=${text}`;
  if (path.length > MAX_GET_PATH_CHARS) return undefined;
  const fields: string[] = [];
  if (acceptEncoding !== undefined) fields.push('accept-encoding', acceptEncoding);
  if (timeoutMs !== undefined) fields.push('connect-timeout-ms', timeoutMs);
  fields.push(...rest);
  return { ...head, method: 'GET', path, fields };
}

/** Base64 in the alphabet that needs no percent encoding, without padding. */
function toUrlBase64(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
