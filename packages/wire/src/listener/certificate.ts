import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { PeerCertificate } from '@bascule/core';

const known = new WeakMap<Socket, PeerCertificate | 'none'>();

/** What a peer has shown, where the listener asks for certificates and an authority of it stands behind this one. */
export function peerCertificate(socket: Socket): PeerCertificate | undefined {
  // A socket in the clear has nothing to look up, and most are.
  if (!(socket instanceof TLSSocket)) return undefined;
  const found = known.get(socket) ?? readCertificate(socket) ?? 'none';
  known.set(socket, found);
  return found === 'none' ? undefined : found;
}

function readCertificate(socket: TLSSocket): PeerCertificate | undefined {
  if (!socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const names = parseAltNames(certificate.subjectAltName ?? '');
  const commonName: unknown = certificate.toLegacyObject().subject?.CN;
  return names && { ...names, commonName: typeof commonName === 'string' ? commonName : '' };
}

/** One name, quoted as JSON where it has characters that mean something in the list. */
const ALT_NAME = /([A-Za-z0-9 .]+):("(?:[^"\\]|\\.)*"|[^",]*)(?:, |$)/y;

/** Reads Node's form of subject alternative names. Undefined for what is none: half a list is nobody's name. */
export function parseAltNames(list: string): Pick<PeerCertificate, 'uris' | 'dnsNames'> | undefined {
  const uris: string[] = [];
  const dnsNames: string[] = [];
  ALT_NAME.lastIndex = 0;
  while (ALT_NAME.lastIndex < list.length) {
    const found = ALT_NAME.exec(list);
    if (found === null) return undefined;
    const [, kind, text = ''] = found;
    const name = text.startsWith('"') ? unquote(text) : text;
    if (name === undefined) return undefined;
    if (kind === 'URI') uris.push(name);
    if (kind === 'DNS') dnsNames.push(name);
  }
  return { uris, dnsNames };
}

function unquote(text: string): string | undefined {
  try {
    return JSON.parse(text) as string;
  } catch {
    return undefined;
  }
}
