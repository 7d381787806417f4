import type { StreamFormat } from '../format.ts';
import { GRPC_ENCODING_NAMES } from '../grpc/response.ts';
import { encodeBase64 } from '../base64.ts';
import { toHeadFields, toTrailersOnlyFields } from '../response-fields.ts';
import { encodeTrailerFrame } from './trailer-frame.ts';

/** gRPC-Web: a last frame says the trailers; an answer without messages says them in its head. */
export function createGrpcWebFormat(type: string, codec: string): StreamFormat {
  const text = type.endsWith('-text');
  const contentType = type + codec;
  return {
    dialect: text ? 'grpc-web-text' : 'grpc-web',
    innerType: `application/grpc${codec}`,
    text,
    headFields: (inner) => toHeadFields(inner, contentType, GRPC_ENCODING_NAMES),
    lastBytes(trailers) {
      const frame = encodeTrailerFrame(trailers);
      return text ? encodeBase64(frame) : frame;
    },
    standAlone: (trailers) => ({
      status: 200,
      fields: toTrailersOnlyFields(trailers, contentType),
      bytes: undefined,
    }),
  };
}
