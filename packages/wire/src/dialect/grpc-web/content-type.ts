import { createGrpcWebFormat } from './response.ts';

const CODECS = ['', '+proto', '+json'];

/** Formats by media type, binary and text. Source: grpc PROTOCOL-WEB. */
export const GRPC_WEB_FORMATS = new Map(
  ['application/grpc-web', 'application/grpc-web-text'].flatMap((type) =>
    CODECS.map((codec) => [type + codec, createGrpcWebFormat(type, codec)] as const),
  ),
);
