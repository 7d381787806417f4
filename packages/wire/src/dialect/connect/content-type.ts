import { createConnectStreamFormat, createConnectUnaryFormat } from './response.ts';

/** Formats of unary calls by media type. Source: Connect protocol, Unary-Content-Type. */
export const CONNECT_UNARY_FORMATS = new Map(
  ['proto', 'json'].map((codec) => [`application/${codec}`, createConnectUnaryFormat(codec)]),
);

/** Formats of streams by media type. Source: Connect protocol, Streaming-Content-Type. */
export const CONNECT_STREAM_FORMATS = new Map(
  ['proto', 'json'].map((codec) => [`application/connect+${codec}`, createConnectStreamFormat(codec)]),
);
