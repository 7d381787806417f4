import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { readBuffer } from '../read-buffer.ts';

/**
 * How a link speaks TLS to its backend, as `node:tls` takes it: `ca` may sign the backend's certificate (default: the
 * authorities that Node knows), `cert` and `key` are ours, for backends that ask for them, `servername` is the name
 * that the certificate must bear and is sent as SNI (default: the link's host). `rejectUnauthorized: false` takes any
 * certificate, for tests alone.
 */
export type LinkTls = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;

interface DialOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: LinkTls | undefined;
  /** Over TLS: the connection stands, and the handshake begins. */
  onHandshake(): void;
  /** The peer can be written to; over TLS: it has agreed on HTTP/2. */
  onConnect(): void;
  /** `bytes` are lent until it returns; only the first `length` count. */
  onBytes(bytes: Buffer, length: number): void;
}

/** Why a connection that stands is of no use. */
const NO_HTTP2 = 'ERR_NO_HTTP2';

/** Opens a connection. What becomes of it is told by the socket's own `error`, `end` and `close`. */
export function dial(options: DialOptions): Socket {
  const { host, port, tls } = options;
  const onread = {
    buffer: readBuffer(),
    callback: (length: number, bytes: Uint8Array) => {
      options.onBytes(bytes as Buffer, length);
      return true;
    },
  };
  if (tls === undefined) {
    const socket = connectTcp({ host, port, noDelay: true, onread });
    socket.on('connect', () => options.onConnect());
    return socket;
  }
  // Not in one expression: the types of `node:tls` do not know that it takes `onread`.
  const secured = { ...toTlsOptions(host, port, tls), ALPNProtocols: ['h2'], onread };
  const socket = connectTls(secured);
  socket.setNoDelay(true);
  socket.on('connect', () => options.onHandshake());
  socket.on('secureConnect', () => {
    // Without this a peer of HTTP/1.1 would get our preface, and answer it with an error page.
    if (socket.alpnProtocol === 'h2') options.onConnect();
    else socket.destroy(Object.assign(new Error('no ALPN agreement'), { code: NO_HTTP2 }));
  });
  return socket;
}

/** What `node:tls` takes. Names are sent as SNI, which it does not do by itself; addresses must not be (RFC 6066, 3). */
export function toTlsOptions(host: string, port: number, tls: LinkTls): ConnectionOptions {
  const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  return { host, port, ...tls, ...(servername === undefined ? {} : { servername }) };
}

/** What a connection failed with before it could be used, for people. */
export function reasonOfDialError(error: NodeJS.ErrnoException): string {
  const code = error.code ?? 'error';
  if (code === NO_HTTP2 || /no.application.protocol/i.test(error.message)) {
    return 'the backend does not agree on HTTP/2 over TLS (ALPN h2); serve HTTP/2 there, or call it by HTTP/1.1';
  }
  if (/CERT|SIGNATURE|ERR_SSL|ERR_TLS|EPROTO/.test(code))
    return `the backend and this link do not agree on TLS (${code})`;
  return `the backend cannot be reached (${code})`;
}
