import type { Fields } from '@bascule/core';
import { HOP_FIELDS } from '../hop-fields.ts';

/** Names of a callee's head that say its representation, not its metadata. */
const DROPPED: ReadonlySet<string> = new Set([
  ...HOP_FIELDS,
  'content-type',
  'content-encoding',
  'grpc-encoding',
  'grpc-accept-encoding',
  'grpc-status',
  'grpc-message',
  'grpc-status-details-bin',
]);

/** Where a dialect says encodings. */
interface EncodingNames {
  readonly encoding: string;
  readonly acceptEncoding: string;
}

/** Fields of a head in a dialect: `contentType`, the encodings under its names, and the callee's own. */
export function toHeadFields(inner: Fields, contentType: string, names: EncodingNames): string[] {
  const fields = ['content-type', contentType];
  for (let i = 0; i < inner.length; i += 2) {
    const name = inner[i] as string;
    const value = inner[i + 1] as string;
    if (!DROPPED.has(name)) fields.push(name, value);
    else if (name === 'grpc-encoding') {
      if (value !== 'identity') fields.push(names.encoding, value);
    } else if (name === 'grpc-accept-encoding') fields.push(names.acceptEncoding, value);
  }
  return fields;
}

/** Fields of an answer whose head says the trailers (gRPC's Trailers-Only). */
export function toTrailersOnlyFields(trailers: Fields, contentType: string): string[] {
  const fields = ['content-type', contentType];
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string;
    if (name !== 'content-type' && !HOP_FIELDS.has(name)) fields.push(name, trailers[i + 1] as string);
  }
  return fields;
}
