import { getField, type Fields, type RequestHead, type ResponseHead } from '@bascule/core';
import { filterEncodings } from './encodings.ts';

/** How the inner dialect says that messages are JSON. */
export const JSON_TYPE = 'application/grpc+json';
const PROTO_TYPE = 'application/grpc+proto';

/** The head of a request whose messages become protobuf. */
export function toProtoHead(head: RequestHead): RequestHead {
  return { ...head, fields: toFields(head.fields, PROTO_TYPE) };
}

/** The head of a response whose messages become JSON. */
export function toJsonHead(head: ResponseHead): ResponseHead {
  return { status: head.status, fields: toFields(head.fields, JSON_TYPE) };
}

/** The encoding that a head declares; undefined is none. */
export function encodingOf(fields: Fields): string | undefined {
  return getField(fields, 'grpc-encoding');
}

/** Either side must be able to speak with us, who read and write its messages anew. */
function toFields(fields: Fields, contentType: string): string[] {
  const changed: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    let value = fields[i + 1] as string;
    if (name === 'content-length') continue;
    if (name === 'content-type') value = contentType;
    if (name === 'grpc-accept-encoding') {
      value = filterEncodings(value);
      if (value === '') continue;
    }
    changed.push(name, value);
  }
  return changed;
}
