import { encodeMessage, type Fields } from '@bascule/core';
import { create, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { Code, ConnectError, encodeBinaryHeader } from '@connectrpc/connect';

/** Trailers of a call that went well and said nothing more. */
export const OK_TRAILERS: Fields = Object.freeze(['grpc-status', '0']);

/** What a protocol says of itself, which metadata of an error must not override. The same list as connect-node's. */
const PROTOCOL_FIELDS: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'content-encoding',
  'host',
  'user-agent',
  'trailer',
  'date',
  'accept-encoding',
  'trailer-',
  'connect-content-encoding',
  'connect-accept-encoding',
  'connect-timeout-ms',
  'connect-protocol-version',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-timeout',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
]);

/** What a handler threw, as the error that its caller is told. What is no ConnectError stays within the server. */
export function toCallersError(reason: unknown): ConnectError {
  if (reason instanceof ConnectError) return reason;
  return new ConnectError('internal error', Code.Internal, undefined, undefined, reason);
}

/** The error's status in the inner dialect. */
export function statusFields(error: ConnectError): string[] {
  // A code of 0 would turn an error into a success without a message.
  const code = error.code in Code ? error.code : Code.Unknown;
  const fields = ['grpc-status', String(code)];
  if (error.rawMessage !== '') fields.push('grpc-message', encodeMessage(error.rawMessage));
  const details = detailsOf(error, code);
  if (details !== undefined) fields.push('grpc-status-details-bin', details);
  return fields;
}

/** Metadata of an error; none of one that came over the wire, which is another call's. */
export function metadataFields(error: ConnectError): string[] {
  const fields: string[] = [];
  if (!error.isWireError) {
    error.metadata.forEach((value, name) => {
      if (!PROTOCOL_FIELDS.has(name)) fields.push(name, value);
    });
  }
  return fields;
}

/** google.rpc.Status { code = 1; message = 2; repeated Any details = 3 }, Any { type_url = 1; value = 2 }, in base64. */
function detailsOf({ details, rawMessage }: ConnectError, code: Code): string | undefined {
  if (details.length === 0) return undefined;
  const writer = new BinaryWriter().tag(1, WireType.Varint).int32(code);
  writer.tag(2, WireType.LengthDelimited).string(rawMessage);
  for (const detail of details) {
    const encoded = encodeDetail(detail);
    if (encoded === undefined) continue;
    const { type, value } = encoded;
    writer.tag(3, WireType.LengthDelimited).fork();
    writer.tag(1, WireType.LengthDelimited).string(`type.googleapis.com/${type}`);
    writer.tag(2, WireType.LengthDelimited).bytes(value).join();
  }
  return encodeBinaryHeader(writer.finish());
}

/** Undefined for what cannot be encoded: it must not cost the caller the error, and the call its end. */
function encodeDetail(detail: ConnectError['details'][number]): { type: string; value: Uint8Array } | undefined {
  try {
    if (!('desc' in detail)) return { type: detail.type, value: Uint8Array.from(detail.value) };
    return { type: detail.desc.typeName, value: toBinary(detail.desc, create(detail.desc, detail.value)) };
  } catch {
    return undefined;
  }
}
