import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { ListenTls } from '@bascule/wire';
import type { TlsSettings } from '../config/settings-types.ts';

/** Reads what the listener shows and asks for. Throws with the field's name when a file cannot be used. */
export async function readTls(settings: TlsSettings): Promise<ListenTls> {
  const cert = await readPem('certFile', settings.certFile);
  const key = await readPem('keyFile', settings.keyFile);
  const clientCa = settings.clientCaFile && (await readPem('clientCaFile', settings.clientCaFile));
  try {
    createSecureContext({ cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }) });
  } catch (cause) {
    const why = (cause as Error).message;
    const advice = 'They must be PEM, and the key the one that belongs to the certificate.';
    throw new Error(`listener.tls: certificate and key cannot be used (${why}). ${advice}`, { cause });
  }
  return { cert, key, ...(clientCa === undefined ? {} : { clientCa }) };
}

async function readPem(field: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new Error(`listener.tls.${field}: ${file} cannot be read (${code}). Name a PEM file.`, { cause });
  }
}
