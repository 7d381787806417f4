import { NO_AGREEMENT, type AlpnProtocol } from './tls.ts';

/** Some have a code of their own, of others only the message says more than EPROTO. */
function wordsOf({ code = '', message }: NodeJS.ErrnoException): string {
  return `${code} ${code === 'EPROTO' ? message.replaceAll(' ', '_').toUpperCase() : ''}`;
}

/** What went wrong, by the code or the words that Node or OpenSSL gives it. */
const WORDS: readonly (readonly [code: RegExp, words: string])[] = [
  [/^CERT_HAS_EXPIRED /, "the backend's certificate has expired"],
  [/^CERT_NOT_YET_VALID /, "the backend's certificate is not valid yet"],
  [
    /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_)/,
    "no authority that is trusted here stands behind the backend's certificate; name the one that does as ca",
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST/, 'the backend does not speak TLS'],
  [/CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE/, 'the backend refuses the handshake: it may want a certificate'],
  [/ALERT_(BAD_|UNSUPPORTED_)?CERTIFICATE|ALERT_UNKNOWN_CA/, 'the backend does not take our certificate'],
  [/^ERR_OSSL/, 'the certificates of this link cannot be used'],
];

const OTHERS = /CERT|SIGNATURE|ERR_SSL|ERR_TLS|EPROTO/;

/** Alerts by which a server ends a handshake that stands for its client already, as TLS 1.3 has it. */
const LATE_REFUSAL = /CERTIFICATE_REQUIRED|ALERT_(BAD_|UNSUPPORTED_)?CERTIFICATE|ALERT_UNKNOWN_CA|ALERT_ACCESS_DENIED/;

/** Whether the peer has refused the connection itself, so that it has read nothing of what was sent on it. */
export function isLateRefusal(error: NodeJS.ErrnoException): boolean {
  return LATE_REFUSAL.test(wordsOf(error));
}

/** What is wrong with a TLS connection, for people; undefined where it is not TLS that failed. */
export function explainTlsFailure(error: NodeJS.ErrnoException, protocol: AlpnProtocol): string | undefined {
  const { code = '' } = error;
  const text = wordsOf(error);
  if (code === NO_AGREEMENT || /NO_APPLICATION_PROTOCOL/.test(text)) return NO_PROTOCOL[protocol];
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return explainNames(error);
  if (code === 'ECONNRESET') return `TLS: the backend ended the handshake; does it speak TLS? (${code})`;
  const words = WORDS.find(([pattern]) => pattern.test(text))?.[1];
  if (words === undefined && !OTHERS.test(code)) return undefined;
  return `TLS: ${words ?? 'the backend and this link do not agree'} (${code})`;
}

const NO_PROTOCOL = {
  h2: 'the backend does not agree on HTTP/2 over TLS (ALPN h2); serve HTTP/2 there, or call it by HTTP/1.1',
  'http/1.1': 'the backend does not agree on HTTP/1.1 over TLS (ALPN http/1.1); serve it there, or call it by HTTP/2',
};

/** The names are the peer's own words: a few of them, and as text. */
function explainNames(error: NodeJS.ErrnoException & { readonly host?: string; readonly cert?: unknown }): string {
  const names = (error.cert as { readonly subjectaltname?: string } | undefined)?.subjectaltname ?? '';
  const shown = names === '' ? 'none' : names.slice(0, 120).replace(/[\p{C}\p{Z}]/gu, ' ');
  const wanted = error.host ?? 'the name that was asked for';
  return `TLS: the backend's certificate is not of ${wanted} but of ${shown}; name it as serverName (${error.code})`;
}

interface Dialled {
  readonly host: string;
  readonly port: number;
  readonly tls: unknown;
}

/** What a connection failed with before it could be used, for people. */
export function reasonOfDialError(
  error: NodeJS.ErrnoException,
  dialled: Dialled,
  protocol: AlpnProtocol = 'h2',
): string {
  const why = dialled.tls === undefined ? undefined : explainTlsFailure(error, protocol);
  return why ?? `the backend cannot be reached (${error.code ?? 'error'})`;
}

/** Why a connection over HTTP/2 failed before it was of use. With TLS 1.3 a client hears late that it is refused. */
export function reasonOfEarlyError(state: string, error: NodeJS.ErrnoException, dialled: Dialled): string | undefined {
  const isEarly = state === 'connecting' || (state === 'greeting' && isLateRefusal(error));
  return isEarly ? reasonOfDialError(error, dialled) : undefined;
}

/** What a peer most likely means that closes a connection without a word, before it was of use. */
export function reasonOfEarlyEnd(state: string, tls: unknown): string | undefined {
  if (state === 'connecting') return 'TLS: the backend ended the handshake; does it speak TLS?';
  if (state !== 'greeting') return undefined;
  const question = tls === undefined ? 'does it want TLS?' : 'does it want a certificate?';
  return `the backend closed the connection before it spoke HTTP/2; ${question}`;
}
