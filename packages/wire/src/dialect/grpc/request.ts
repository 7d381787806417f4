import { callError, Code, type CallError, type Fields, type RequestHead } from '@bascule/core';
import { FieldsMemory } from '../../fields-memory.ts';
import { bodyEncodingFault } from '../faults.ts';
import type { StreamFormat } from '../format.ts';
import { isRefusal, toInnerHead, withPeer, type InnerRequest } from '../inner-request.ts';
import { createSlotNames, readRequestFields } from '../request-fields.ts';
import { parseGrpcTimeout } from '../timeout.ts';

const SLOTS = createSlotNames({
  'grpc-timeout': 'timeout',
  'grpc-encoding': 'encoding',
  'grpc-accept-encoding': 'acceptEncoding',
  'content-encoding': 'bodyEncoding',
});

/** What the fields of a call say, but for those that differ from call to call. Shared between calls, so never changed. */
interface KnownRequest {
  readonly innerType: string;
  readonly fields: Fields;
  readonly timeoutMs: number | undefined;
  readonly compressible: boolean;
}

const MEMORY_SLOTS = 256;
/** One serves all connections of a thread, but not those of other callers, whose address is in it. */
const memory = new FieldsMemory<KnownRequest>(MEMORY_SLOTS);

/** The inner head of a gRPC call; gRPC-Web says the same in the same names. */
export function toInnerRequest(head: RequestHead, format: StreamFormat): InnerRequest | CallError {
  const { peer } = head.call;
  const known = memory.find(head.fields, head.fields.length, peer);
  if (known !== undefined && known.innerType === format.innerType) return toInner(head, known);
  const read = readRequest(head, format.innerType);
  if (isRefusal(read)) return read;
  if (memory.wants(head.fields)) memory.remember(head.fields, peer, read);
  return toInner(head, read);
}

function toInner(head: RequestHead, { fields, timeoutMs, compressible }: KnownRequest): InnerRequest {
  return { head: toInnerHead(head, fields), timeoutMs, compressible };
}

function readRequest({ fields: all, call }: RequestHead, innerType: string): KnownRequest | CallError {
  const read = readRequestFields(all, SLOTS, innerType);
  const encoded = bodyEncodingFault(read.bodyEncoding);
  if (encoded !== undefined) return encoded;
  const timeoutMs = read.timeout === undefined ? undefined : parseGrpcTimeout(read.timeout);
  if (read.timeout !== undefined && timeoutMs === undefined) {
    return callError(Code.internal, 'grpc-timeout is malformed; send up to 8 digits and one of H M S m u n');
  }
  const { fields, encoding, acceptEncoding } = read;
  if (encoding !== undefined) fields.push('grpc-encoding', encoding);
  if (acceptEncoding !== undefined) fields.push('grpc-accept-encoding', acceptEncoding);
  const compressible = encoding !== undefined && encoding !== 'identity';
  return { innerType, fields: withPeer(fields, call), timeoutMs, compressible };
}
