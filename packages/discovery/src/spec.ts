import type { Clock, Codec, EndpointProtocol } from '@bascule/core';
import type { Transport } from '@connectrpc/connect';

/** A way to a gRPC system that can be closed. */
export interface ClosableTransport extends Transport {
  close(): Promise<void>;
}

/** PEM texts. */
export interface TlsMaterial {
  /** Authorities to trust instead of the system's. */
  readonly ca?: string;
  /** What we show, with `key`. */
  readonly cert?: string;
  readonly key?: string;
}

/** What a system may ask for. Never in the URL, since URLs are shown. */
export interface Credentials {
  readonly token?: string;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: TlsMaterial;
}

/** What holds for endpoints that do not say it themselves. */
export interface EndpointDefaults {
  /** Fully qualified names. */
  readonly services: readonly string[];
  readonly protocol: Exclude<EndpointProtocol, 'port'>;
  readonly codecs: readonly Codec[];
  /** Digest of descriptors that are known from elsewhere, or empty. */
  readonly schemaDigest: string;
}

/** Which system to ask or to tell, and with what. */
export interface SystemOptions {
  /** As in `consul://127.0.0.1:8500/payments`; docs/discovery.md lists the schemes and their parts. */
  readonly url: URL;
  readonly credentials: Credentials;
  readonly clock: Clock;
  /** Opens a way to a gRPC server at `http://host:port` or, with TLS, `https://host:port`. Lazily: it never throws. */
  dial(baseUrl: string, credentials: Credentials): ClosableTransport;
}

/** How a source is to be opened. */
export interface SourceOptions extends SystemOptions {
  readonly defaults: EndpointDefaults;
  /** The process's environment, for `env:`. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative file names begin here. */
  readonly baseDir: string;
  /** Descriptors known from before, by digest. */
  readonly schemas: ReadonlyMap<string, Uint8Array>;
}

/** Something in a URL or its surroundings that no retry mends. The message names the part and what to write instead. */
export class SpecError extends Error {
  override readonly name = 'SpecError';
}
