const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'the host name is not known',
  ETIMEDOUT: 'connecting timed out',
};

/** What happened to a socket, in words for a person: those of TLS, where it was that which failed. */
export function explainSocket(error: NodeJS.ErrnoException, ofTls?: string): Error {
  return new Error(ofTls ?? WORDS[error.code ?? ''] ?? (error.message || String(error.code)), { cause: error });
}
