import { decodeMessage, getField } from '@bascule/core';
import type { Format } from './format.ts';

/**
 * How a caller is refused whose protocol cannot be told: in plain text. JSON would promise an error of Connect's, which
 * callers of gRPC and gRPC-Web must not find.
 */
export const PLAIN_FORMAT: Format = {
  dialect: 'connect',
  innerType: 'application/grpc',
  standAlone(trailers) {
    const bytes = Buffer.from(`${decodeMessage(getField(trailers, 'grpc-message') ?? '')}\n`);
    const fields = ['content-type', 'text/plain; charset=utf-8', 'content-length', String(bytes.length)];
    return { status: 400, fields, bytes };
  },
};
