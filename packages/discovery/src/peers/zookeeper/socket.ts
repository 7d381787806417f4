import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { TlsMaterial } from '../../spec.ts';

/** Begins to connect to `host:port`, over TLS where there is material for it. */
export function openSocket(server: string, tls: TlsMaterial | undefined): Socket {
  const end = server.lastIndexOf(':');
  const host = server.slice(0, end).replace(/^\[|\]$/g, '');
  const port = Number(server.slice(end + 1));
  // Small requests are answered one by one: to hold them back until more come would only slow everything down.
  return tls === undefined
    ? connect({ host, port, noDelay: true })
    : connectTls({ host, port, servername: /^[\d.]+$|:/.test(host) ? '' : host, ...tls }).setNoDelay(true);
}
