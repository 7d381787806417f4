import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TlsCreds } from '../messages.ts';

type Pair = Pick<TlsCreds, 'cert' | 'key'>;

/** The listener's certificate, and the authorities of callers' certificates; empty asks for none. */
export interface ListenerTls {
  readonly credentials: Pair;
  readonly clientCa?: Uint8Array;
}

/** The authority of a backend's certificate, and what is shown to a backend that asks for one. */
export interface BackendTls {
  readonly ca: Uint8Array;
  readonly credentials?: Pair | undefined;
}

/** Writes the files of a listener into a folder; gives the part of the configuration that names them. */
export async function writeListenerTls(folder: string, tls: ListenerTls): Promise<Record<string, unknown>> {
  const { credentials, clientCa = new Uint8Array() } = tls;
  const names = await writePair(folder, 'gateway', credentials);
  if (clientCa.length === 0) return names;
  await writeFile(join(folder, 'clients.pem'), clientCa);
  return { ...names, clientCaFile: 'clients.pem' };
}

/** The same for calls to backends. */
export async function writeBackendTls(folder: string, tls: BackendTls): Promise<Record<string, unknown>> {
  await writeFile(join(folder, 'backends.pem'), tls.ca);
  const names = tls.credentials === undefined ? {} : await writePair(folder, 'caller', tls.credentials);
  return { caFile: 'backends.pem', ...names };
}

async function writePair(folder: string, name: string, { cert, key }: Pair): Promise<Record<string, unknown>> {
  await writeFile(join(folder, `${name}.pem`), cert);
  await writeFile(join(folder, `${name}.key`), key, { mode: 0o600 });
  return { certFile: `${name}.pem`, keyFile: `${name}.key` };
}
