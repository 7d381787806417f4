import { createPublicKey, type KeyObject } from 'node:crypto';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';

/** What signatures are checked with, and by which algorithms. */
export interface JwtKey {
  readonly algorithms: readonly string[];
  readonly material: KeyObject | Uint8Array | JWTVerifyGetKey;
}

const MIN_SECRET_BYTES = 32;
const MIN_RSA_BITS = 2_048;
const EDDSA = ['EdDSA', 'Ed25519'];
const OF_SETS = ['RS256', 'ES256', ...EDDSA];
const KEY_TYPES: ReadonlySet<unknown> = new Set(['RSA', 'EC', 'OKP']);

/** A secret that signer and registry share: HS256. Throws with what is wrong, for the end of "... ". */
export function toSecretKey(text: string): JwtKey {
  const secret = new TextEncoder().encode(text.trim());
  if (secret.length >= MIN_SECRET_BYTES) return { algorithms: ['HS256'], material: secret };
  throw new Error(`holds a secret of ${secret.length} bytes, at least ${MIN_SECRET_BYTES} are needed`);
}

/** A public key in PEM: its type says the algorithm. Throws as {@link toSecretKey}. */
export function toPublicKey(pem: string): JwtKey {
  if (pem.includes('PRIVATE KEY')) throw new Error('holds a private key: give the public one, and keep that at home');
  let key: KeyObject;
  try {
    key = createPublicKey(pem);
  } catch {
    throw new Error('holds no public key in PEM');
  }
  return { algorithms: algorithmsOf(key), material: key };
}

function algorithmsOf({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): readonly string[] {
  const { modulusLength = 0, namedCurve } = asymmetricKeyDetails;
  if (asymmetricKeyType === 'rsa' && modulusLength >= MIN_RSA_BITS) return ['RS256'];
  if (asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return ['ES256'];
  if (asymmetricKeyType === 'ed25519') return EDDSA;
  throw new Error(`holds a key that is none of RSA from ${MIN_RSA_BITS} bits, P-256 and Ed25519`);
}

/** A set of public keys (RFC 7517), chosen by the `kid` of a token. Throws as {@link toSecretKey}. */
export function toKeySet(text: string): JwtKey {
  let set: { readonly keys?: unknown };
  try {
    set = JSON.parse(text) as typeof set;
  } catch {
    throw new Error('is no JSON');
  }
  const { keys } = set ?? {};
  if (!Array.isArray(keys) || keys.length === 0) throw new Error('holds no list "keys" with a key in it');
  for (const key of keys as { readonly kty?: unknown; readonly d?: unknown }[]) {
    // A secret among public keys would let a token choose what it is checked with.
    if (!KEY_TYPES.has(key?.kty)) throw new Error('holds a key that is none of RSA, EC and OKP');
    if (key.d !== undefined) throw new Error('holds a private key: give the public ones, and keep that at home');
  }
  return { algorithms: OF_SETS, material: createLocalJWKSet(set as JSONWebKeySet) };
}
