import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Files in PEM. */
export interface Certificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Makes a certificate for this run alone: an elliptic key, as certificates have today. */
export async function createCertificate(folder: string): Promise<Certificate> {
  const certFile = join(folder, 'bench.crt');
  const keyFile = join(folder, 'bench.key');
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
  const about = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'];
  try {
    await promisify(execFile)('openssl', ['req', '-x509', '-days', '2', '-out', certFile, ...key, ...about]);
  } catch (error) {
    throw new Error('no certificate could be made: this bench needs the openssl command', { cause: error });
  }
  return { certFile, keyFile };
}
