import { callError, Code, type CallError, type RequestHead } from '@bascule/core';
import { bodyEncodingFault } from '../faults.ts';
import type { Format } from '../format.ts';
import { toInnerHead, withPeer, type InnerRequest } from '../inner-request.ts';
import { createSlotNames, readRequestFields, type RequestFields } from '../request-fields.ts';
import { parseConnectTimeout } from '../timeout.ts';

const UNARY_SLOTS = createSlotNames({
  'connect-timeout-ms': 'timeout',
  'connect-protocol-version': 'version',
  'content-encoding': 'encoding',
  'accept-encoding': 'acceptEncoding',
  'content-length': 'length',
});

const STREAM_SLOTS = createSlotNames({
  'connect-timeout-ms': 'timeout',
  'connect-protocol-version': 'version',
  'connect-content-encoding': 'encoding',
  'connect-accept-encoding': 'acceptEncoding',
  'content-encoding': 'bodyEncoding',
});

/** A unary request, and how long its message is. */
interface UnaryInnerRequest extends InnerRequest {
  /** From `content-length`; undefined when the caller does not say. */
  readonly length: number | undefined;
}

/** The inner head of a stream. */
export function toStreamRequest(head: RequestHead, format: Format): InnerRequest | CallError {
  const read = readRequestFields(head.fields, STREAM_SLOTS, format.innerType);
  return bodyEncodingFault(read.bodyEncoding) ?? toInnerRequest(head, read);
}

/** The inner head of a unary POST. */
export function toUnaryRequest(head: RequestHead, format: Format): UnaryInnerRequest | CallError {
  const read = readRequestFields(head.fields, UNARY_SLOTS, format.innerType);
  const request = toInnerRequest(head, read);
  if ('processed' in request) return request;
  const length = read.length === undefined ? undefined : Number(read.length);
  if (length !== undefined && (!Number.isSafeInteger(length) || length < 0)) {
    return callError(Code.invalidArgument, 'content-length is malformed; send the number of bytes in digits');
  }
  return { ...request, length };
}

/** The inner head of a unary GET; `compression` is what its query says. */
export function toGetRequest(head: RequestHead, format: Format, compression: string): InnerRequest | CallError {
  const read = readRequestFields(head.fields, UNARY_SLOTS, format.innerType);
  read.encoding = compression === '' ? undefined : compression;
  return toInnerRequest(head, read);
}

function toInnerRequest(head: RequestHead, read: RequestFields): InnerRequest | CallError {
  if (read.version !== undefined && read.version !== '1') {
    return callError(Code.invalidArgument, `connect-protocol-version must be "1", not ${JSON.stringify(read.version)}`);
  }
  const timeoutMs = read.timeout === undefined ? undefined : parseConnectTimeout(read.timeout);
  if (read.timeout !== undefined && timeoutMs === undefined) {
    return callError(Code.invalidArgument, 'connect-timeout-ms is malformed; send up to 10 digits');
  }
  const compressible = read.encoding !== undefined && read.encoding !== '' && read.encoding !== 'identity';
  if (compressible) read.fields.push('grpc-encoding', read.encoding as string);
  const accept = toAcceptEncoding(read.acceptEncoding);
  if (accept !== '') read.fields.push('grpc-accept-encoding', accept);
  return { head: toInnerHead(head, withPeer(read.fields, head.call)), timeoutMs, compressible };
}

/** An `accept-encoding` list without weights, what the caller refuses, and wildcards: gRPC knows names alone. */
function toAcceptEncoding(value: string | undefined): string {
  if (value === undefined) return '';
  if (!value.includes(';') && !value.includes('*')) return value;
  const names: string[] = [];
  for (const item of value.split(',')) {
    const [name = '', ...parameters] = item.split(';').map((part) => part.trim());
    const refused = parameters.some((parameter) => /^q=0(\.0*)?$/i.test(parameter));
    if (name !== '' && name !== '*' && !refused) names.push(name);
  }
  return names.join(', ');
}
