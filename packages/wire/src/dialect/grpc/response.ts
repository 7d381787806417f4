import type { StreamFormat } from '../format.ts';
import { toHeadFields, toTrailersOnlyFields } from '../response-fields.ts';

export const GRPC_ENCODING_NAMES = { encoding: 'grpc-encoding', acceptEncoding: 'grpc-accept-encoding' };

/** gRPC: HTTP trailers say how it went; an answer without messages says it in its head (Trailers-Only). */
export function createGrpcFormat(contentType: string): StreamFormat {
  return {
    dialect: 'grpc',
    innerType: contentType,
    text: false,
    headFields: (inner) => toHeadFields(inner, contentType, GRPC_ENCODING_NAMES),
    lastBytes: () => undefined,
    standAlone: (trailers) => ({
      status: 200,
      fields: toTrailersOnlyFields(trailers, contentType),
      bytes: undefined,
    }),
  };
}
