import { callError, Code, type CallError, type RequestHead } from '@bascule/core';
import { bodyEncodingFault } from '../faults.ts';
import type { StreamFormat } from '../format.ts';
import { toInnerHead, type InnerRequest } from '../inner-request.ts';
import { createSlotNames, readRequestFields } from '../request-fields.ts';
import { parseGrpcTimeout } from '../timeout.ts';

const SLOTS = createSlotNames({
  'grpc-timeout': 'timeout',
  'grpc-encoding': 'encoding',
  'grpc-accept-encoding': 'acceptEncoding',
  'content-encoding': 'bodyEncoding',
});

/** The inner head of a gRPC call; gRPC-Web says the same in the same names. */
export function toInnerRequest(head: RequestHead, format: StreamFormat): InnerRequest | CallError {
  const read = readRequestFields(head.fields, SLOTS, format.innerType);
  const encoded = bodyEncodingFault(read.bodyEncoding);
  if (encoded !== undefined) return encoded;
  const timeoutMs = read.timeout === undefined ? undefined : parseGrpcTimeout(read.timeout);
  if (read.timeout !== undefined && timeoutMs === undefined) {
    return callError(Code.internal, 'grpc-timeout is malformed; send up to 8 digits and one of H M S m u n');
  }
  const { fields, encoding, acceptEncoding } = read;
  if (encoding !== undefined) fields.push('grpc-encoding', encoding);
  if (acceptEncoding !== undefined) fields.push('grpc-accept-encoding', acceptEncoding);
  return {
    head: toInnerHead(head, fields),
    timeoutMs,
    compressible: encoding !== undefined && encoding !== 'identity',
  };
}
