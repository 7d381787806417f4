import { createPrivateKey, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';

/** PEM texts. */
export interface CertificatePair {
  readonly cert: string;
  readonly key: string;
}

/** Who stands behind certificates. */
export interface TestAuthority extends CertificatePair {
  /** A certificate for these host names and addresses. `isExpired`: since the end of 2020. */
  issue(names: readonly string[], options?: { readonly isExpired?: boolean }): CertificatePair;
}

/** Makes an authority that nobody else knows. Its certificates are as real as any; keys are P-256. Source: RFC 5280, 4.1. */
export function createTestAuthority(name: string): TestAuthority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const issuer = { name, key: privateKey };
  const isAuthority = der(0x30, extension('551d13', der(0x30, der(0x01, Buffer.of(0xff)))));
  const cert = certify(issuer, { name, publicKey, isExpired: false, extensions: isAuthority });
  return {
    cert,
    key: toPem(privateKey),
    issue(names, { isExpired = false } = {}) {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const extensions = der(0x30, extension('551d11', der(0x30, ...names.map(toAltName))));
      const subject = { name: `issued by ${name}`, publicKey: pair.publicKey, isExpired, extensions };
      return { cert: certify(issuer, subject), key: toPem(pair.privateKey) };
    },
  };
}

interface Subject {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly isExpired: boolean;
  readonly extensions: Buffer;
}

/** ecdsa-with-SHA256. */
const ALGORITHM = der(0x30, oid('2a8648ce3d040302'));

function certify(issuer: { readonly name: string; readonly key: KeyObject }, subject: Subject): string {
  const validity = der(0x30, time('200101000000Z'), time(subject.isExpired ? '201231000000Z' : '491231000000Z'));
  const serial = Buffer.concat([Buffer.of(0x01), randomBytes(15)]);
  const body = der(
    0x30,
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, serial),
    ALGORITHM,
    toName(issuer.name),
    validity,
    toName(subject.name),
    subject.publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, subject.extensions),
  );
  const signature = sign('sha256', body, createPrivateKey(toPem(issuer.key)));
  const whole = der(0x30, body, ALGORITHM, der(0x03, Buffer.of(0), signature));
  const lines = whole.toString('base64').replaceAll(/.{64}/g, '$&\n');
  return `-----BEGIN CERTIFICATE-----\n${lines.trimEnd()}\n-----END CERTIFICATE-----\n`;
}

function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function toAltName(name: string): Buffer {
  if (isIP(name) === 4) return der(0x87, Buffer.from(name.split('.').map(Number)));
  return der(0x82, Buffer.from(name, 'ascii'));
}

/** A common name alone. */
function toName(commonName: string): Buffer {
  return der(0x30, der(0x31, der(0x30, oid('550403'), der(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, value: Buffer): Buffer {
  return der(0x30, oid(id), der(0x04, value));
}

function time(utc: string): Buffer {
  return der(0x17, Buffer.from(utc, 'ascii'));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

/** One element: tag, length, content. Source: ITU-T X.690, 8.1. */
function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}
