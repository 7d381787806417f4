import { decodeMessage, getField, outcomeOfEnd, parseCode, type Fields, type ResponseHead } from '@bascule/core';
import { HOP_FIELDS } from '../listener/fields.ts';

/** What TRAILERS says. */
export interface Ending {
  readonly code: number;
  readonly message: string;
  /** Serialized google.rpc.Status. */
  readonly details: Uint8Array | undefined;
  readonly fields: Fields;
}

/** Said by TRAILERS in a form of its own, or not of the callee's metadata. */
const NOT_METADATA: ReadonlySet<string> = new Set([
  ...HOP_FIELDS,
  'content-type',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
]);

/** How a call ended, from its trailers; without a status in them, from the HTTP status of its head. */
export function toEnding(head: ResponseHead | undefined, trailers: Fields): Ending {
  const fields = toMetadata(trailers);
  const status = getField(trailers, 'grpc-status');
  if (status === undefined) {
    const { code, message } = outcomeOfEnd(head, trailers);
    return { code, message, details: undefined, fields };
  }
  const details = getField(trailers, 'grpc-status-details-bin');
  return {
    code: parseCode(status),
    message: decodeMessage(getField(trailers, 'grpc-message') ?? ''),
    details: details === undefined ? undefined : Buffer.from(details, 'base64'),
    fields,
  };
}

/** Without what frames say otherwise; the same array when there is nothing to take out. */
export function toMetadata(fields: Fields): Fields {
  for (let i = 0; i < fields.length; i += 2) {
    if (NOT_METADATA.has(fields[i] as string)) return withoutOthers(fields);
  }
  return fields;
}

function withoutOthers(fields: Fields): Fields {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (!NOT_METADATA.has(fields[i] as string)) kept.push(fields[i] as string, fields[i + 1] as string);
  }
  return kept;
}
