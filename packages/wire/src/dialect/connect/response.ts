import { httpStatusOf, type Fields } from '@bascule/core';
import type { Format, StandAlone, StreamFormat } from '../format.ts';
import { HOP_FIELDS } from '../../hop-fields.ts';
import { toHeadFields } from '../response-fields.ts';
import { encodeEndStream } from './end-stream.ts';
import { isStatusField, statusOf, type Status } from './error.ts';

const STREAM_ENCODING_NAMES = { encoding: 'connect-content-encoding', acceptEncoding: 'connect-accept-encoding' };
const UNARY_ENCODING_NAMES = { encoding: 'content-encoding', acceptEncoding: 'accept-encoding' };

/** Connect streams: HTTP status 200 always, a last frame says the trailers. */
export function createConnectStreamFormat(codec: string): StreamFormat {
  const contentType = `application/connect+${codec}`;
  return {
    dialect: 'connect-stream',
    innerType: `application/grpc+${codec}`,
    text: false,
    headFields: (inner) => toHeadFields(inner, contentType, STREAM_ENCODING_NAMES),
    lastBytes: encodeEndStream,
    standAlone: (trailers) => ({
      status: 200,
      fields: ['content-type', contentType],
      bytes: encodeEndStream(trailers),
    }),
  };
}

/** One message without its prefix. */
interface UnaryMessage {
  readonly bytes: Uint8Array;
  readonly compressed: boolean;
}

/** How Connect answers unary calls. */
export interface ConnectUnaryFormat extends Format {
  /** The answer of a call that ended well. */
  success(head: Fields, message: UnaryMessage, trailers: Fields): StandAlone;
  /** The answer of a call that did not, keeping the callee's metadata. */
  failure(head: Fields, status: Status, trailers: Fields): StandAlone;
}

/** Connect unary: bare messages, real HTTP statuses, errors in JSON, trailers as `trailer-` fields. */
export function createConnectUnaryFormat(codec: string): ConnectUnaryFormat {
  const contentType = `application/${codec}`;
  const format: ConnectUnaryFormat = {
    dialect: 'connect',
    innerType: `application/grpc+${codec}`,
    success(head, message, trailers) {
      const fields = toHeadFields(withoutEncoding(head, message.compressed), contentType, UNARY_ENCODING_NAMES);
      return finishUnary(200, fields, trailers, message.bytes);
    },
    failure(head, status, trailers) {
      const fields = toHeadFields(withoutEncoding(head, false), 'application/json', UNARY_ENCODING_NAMES);
      return finishUnary(httpStatusOf(status.code), fields, trailers, Buffer.from(JSON.stringify(status.error)));
    },
    standAlone: (trailers) => format.failure([], statusOf(trailers), trailers),
  };
  return format;
}

/** The stream's encoding says nothing of a message that is not compressed. */
function withoutEncoding(head: Fields, compressed: boolean): Fields {
  if (compressed) return head;
  return head.flatMap((name, i) => (i % 2 === 0 && name !== 'grpc-encoding' ? [name, head[i + 1] as string] : []));
}

function finishUnary(status: number, fields: string[], trailers: Fields, bytes: Uint8Array): StandAlone {
  for (let i = 0; i < trailers.length; i += 2) {
    const name = trailers[i] as string;
    if (!isStatusField(name) && name !== 'content-type' && !HOP_FIELDS.has(name)) {
      fields.push(`trailer-${name}`, trailers[i + 1] as string);
    }
  }
  fields.push('content-length', String(bytes.length));
  return { status, fields, bytes };
}
