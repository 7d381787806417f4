import { createGrpcFormat } from './response.ts';

const CODECS = ['', '+proto', '+json'];

/** Formats by media type. Source: grpc PROTOCOL-HTTP2, Content-Type. */
export const GRPC_FORMATS = new Map(
  CODECS.map((codec) => [`application/grpc${codec}`, createGrpcFormat(`application/grpc${codec}`)]),
);
