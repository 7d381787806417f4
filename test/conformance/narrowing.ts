import { UPSTREAMS, type Upstream } from './upstreams.ts';

/** Features of the suite's configuration that a run narrows, over those of its file. */
export type Narrowing = Readonly<Record<string, boolean | readonly string[]>>;

/** `smoke` is what CI runs, `short` what `npm run conformance` does, `full` is all that is claimed. */
export type Tier = 'smoke' | 'short' | 'full';

export const PLAIN: Narrowing = { supportsTls: false, supportsTlsClientCerts: false };

/** What the tiers leave out of every run; nothing of it hangs on the pair of protocols. */
export const TIER_NARROWING: Readonly<Record<Tier, Narrowing>> = {
  smoke: { ...PLAIN, compressions: ['COMPRESSION_IDENTITY'] },
  short: { ...PLAIN, compressions: ['COMPRESSION_IDENTITY', 'COMPRESSION_GZIP'] },
  full: {},
};

/** Our own transport, where it is the caller (see client-mode.ts), speaks neither deflate nor snappy. */
export const NODE_CALLER: Narrowing = {
  compressions: ['COMPRESSION_IDENTITY', 'COMPRESSION_GZIP', 'COMPRESSION_BR', 'COMPRESSION_ZSTD'],
};

/**
 * Backends of Connect and gRPC-Web compress the frame that says how a call ended as they do messages, and the gateway
 * must read it, as it must read JSON that it transcodes; Node reads no snappy. gRPC says it in HTTP trailers, so that there snappy passes as well.
 */
export const READABLE: Narrowing = {
  compressions: [
    'COMPRESSION_IDENTITY',
    'COMPRESSION_GZIP',
    'COMPRESSION_BR',
    'COMPRESSION_ZSTD',
    'COMPRESSION_DEFLATE',
  ],
};

/**
 * Behind HTTP/1.1 no message of an answer may come before the last of the request: Go's servers read no more of a
 * request once they answer. So streams that talk both ways at once cannot be.
 */
const NOT_FULL_DUPLEX: Narrowing = {
  streamTypes: [
    'STREAM_TYPE_UNARY',
    'STREAM_TYPE_CLIENT_STREAM',
    'STREAM_TYPE_SERVER_STREAM',
    'STREAM_TYPE_HALF_DUPLEX_BIDI_STREAM',
  ],
};

/**
 * The suite's grpc-go server answers with its head at the first message of any bidi stream, also of those that are to be
 * read to their end first. Over HTTP/1.1 net/http then closes what is not read yet ("invalid Read on closed Body"): which
 * of the two comes first is a race inside that server, with or without a gateway. It serves gRPC-Web over HTTP/1.1 only
 * where the suite plays the server; its connect-go server waits, and judges these streams in server mode.
 */
const RACING_SERVER: Narrowing = {
  streamTypes: ['STREAM_TYPE_UNARY', 'STREAM_TYPE_CLIENT_STREAM', 'STREAM_TYPE_SERVER_STREAM'],
  supportsHalfDuplexBidiOverHttp1: false,
};

/** What the suite's servers cannot do, where they are the ones to judge. */
export function narrowingOfServer(upstream: Upstream): Narrowing {
  return upstream === 'grpc-web+http1' ? RACING_SERVER : {};
}

/** What a kind of backend cannot do. */
export function narrowingOf(upstream: Upstream): Narrowing {
  return {
    ...(upstream === 'grpc' ? {} : READABLE),
    ...(UPSTREAMS[upstream].httpVersion === 1 ? NOT_FULL_DUPLEX : {}),
  };
}
