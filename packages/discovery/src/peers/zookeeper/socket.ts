import { connect, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TlsMaterial } from '../../spec.ts';

/** Begins to connect to `host:port`, over TLS where there is material for it. Never throws: what is wrong breaks it off. */
export function openSocket(server: string, tls: TlsMaterial | undefined): Socket {
  const end = server.lastIndexOf(':');
  const host = server.slice(0, end).replace(/^\[|\]$/g, '');
  const port = Number(server.slice(end + 1));
  // Small requests are answered one by one: to hold them back until more come would only slow everything down.
  if (tls === undefined) return connect({ host, port, noDelay: true });
  try {
    return connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host, ...tls }).setNoDelay(true);
  } catch (error) {
    // Certificates and keys are read at once, and may be none.
    return new Socket().destroy(error as Error);
  }
}
