import { isIP, Socket, type OnReadOpts } from 'node:net';
import {
  checkServerIdentity,
  connect,
  createSecureContext,
  type ConnectionOptions,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';

/**
 * How a link speaks TLS to its backend, as `node:tls` takes it: `ca` may sign the backend's certificate (default: the
 * authorities that Node knows), `cert` and `key` are ours, for backends that ask for them, `servername` is the name
 * that the certificate must bear and is sent as SNI (default: the link's host). `rejectUnauthorized: false` takes any
 * certificate, for tests alone. An object is read once: another one says something else.
 */
export type LinkTls = Pick<ConnectionOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;

/**
 * The same, or a function that is asked before each connection, for certificates that are replaced while links are open.
 * It gives the same object for as long as nothing has changed.
 */
export type LinkTlsSource = LinkTls | (() => LinkTls);

/** What both sides agree to speak, by its name in ALPN. Source: RFC 7301, 6. */
export type AlpnProtocol = 'h2' | 'http/1.1';

/** The peer speaks TLS, and not what was asked of it. */
export const NO_AGREEMENT = 'ERR_NO_ALPN_AGREEMENT';

/** Reading a bundle of authorities takes milliseconds, and thousands of connections may be opened with the same one. */
const contexts = new WeakMap<LinkTls, SecureContext>();

function contextOf(tls: LinkTls): SecureContext {
  let context = contexts.get(tls);
  if (context === undefined) {
    const { ca, cert, key } = tls;
    context = createSecureContext({ ca, cert, key, minVersion: 'TLSv1.2' });
    contexts.set(tls, context);
  }
  return context;
}

/**
 * What `node:tls` takes. Names are sent as SNI, which it does not do by itself; addresses must not be (RFC 6066, 3).
 * Throws for certificates that cannot be read.
 */
export function toTlsOptions(
  { host, port, protocol }: { readonly host: string; readonly port: number; readonly protocol: AlpnProtocol },
  tls: LinkTls,
): ConnectionOptions {
  const { servername: name, rejectUnauthorized = true } = tls;
  const sni = name ?? host;
  return {
    host,
    port,
    secureContext: contextOf(tls),
    rejectUnauthorized,
    ALPNProtocols: [protocol],
    ...(isIP(sni) === 0 && { servername: sni }),
    ...(name !== undefined &&
      isIP(name) !== 0 && {
        checkServerIdentity: (_host: string, certificate) => checkServerIdentity(name, certificate),
      }),
  };
}

interface TlsDialerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: LinkTlsSource;
  readonly protocol: AlpnProtocol;
}

/** Opens connections over TLS to one backend. Those after the first need not shake hands in full. */
export class TlsDialer {
  readonly #options: TlsDialerOptions;
  /** What the session below was made with: another authority may not trust the peer. */
  #tls: LinkTls | undefined = undefined;
  #session: Buffer | undefined = undefined;

  constructor(options: TlsDialerOptions) {
    this.#options = options;
  }

  /** Never throws: what cannot be used is an `error` of the socket. `onAgreed` hears that the peer can be written to. */
  connect({ onread, onAgreed }: { readonly onread?: OnReadOpts; readonly onAgreed: () => void }): Socket {
    const { tls, protocol } = this.#options;
    let socket: TLSSocket;
    try {
      const current = typeof tls === 'function' ? tls() : tls;
      if (current !== this.#tls) this.#session = undefined;
      this.#tls = current;
      // Not in one expression: the types of `node:tls` do not know that it takes `onread`.
      const session = this.#session;
      const options = { ...toTlsOptions(this.#options, current), ...(session && { session }), onread };
      socket = connect(options);
      this.#keepSessions(socket, current);
    } catch (error) {
      // Told in a later turn, when whoever asked listens.
      return new Socket().destroy(error as Error);
    }
    socket.setNoDelay(true);
    socket.on('secureConnect', () => {
      // Without this a peer of HTTP/1.1 would get our preface, and answer it with an error page.
      if (isAgreed(socket.alpnProtocol, protocol)) onAgreed();
      else socket.destroy(Object.assign(new Error('no ALPN agreement'), { code: NO_AGREEMENT }));
    });
    return socket;
  }

  /**
   * A session that is resumed is not verified anew, and its name never again: only those count of connections that were.
   * With TLS 1.2 they come before that.
   */
  #keepSessions(socket: TLSSocket, tls: LinkTls): void {
    let early: Buffer | undefined;
    let isVerified = false;
    const keep = (session: Buffer | undefined): void => {
      if (this.#tls === tls && session !== undefined) this.#session = session;
    };
    socket.on('session', (session) => {
      if (isVerified) keep(session);
      else early = session;
    });
    socket.on('secureConnect', () => {
      isVerified = socket.authorized;
      if (isVerified) keep(early);
    });
    // A peer may have forgotten it in a way that spoils the handshake.
    socket.on('error', () => (this.#session = undefined));
  }
}

/** HTTP/1.1 is what is spoken where nobody says anything; HTTP/2 must be agreed on (RFC 9113, 3.2). */
function isAgreed(spoken: string | false | null, wanted: AlpnProtocol): boolean {
  return spoken === wanted || (wanted === 'http/1.1' && !spoken);
}
