import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Clock } from '@bascule/core';
import { SignJWT } from 'jose';
import { isPattern, type Grants } from './grants.ts';
import { toSecretKey } from './jwt-keys.ts';

export interface SignOptions {
  /** Whose token it is: the owner of what is registered with it. */
  readonly subject: string;
  readonly grants: Grants;
  /** How long it holds. */
  readonly ttlMs: number;
  readonly audience: string;
  /** The secret that is shared with the registry, or the private key in PEM of the public one that it has. */
  readonly key: string;
  readonly clock: Clock;
}

/** A token for a registry whose access file has `jwt`. Throws an Error in words for a key or name that cannot be. */
export async function signRegistryToken(options: SignOptions): Promise<string> {
  const { subject, grants, clock } = options;
  if (!/^[\x21-\x7e]{1,250}$/.test(subject)) throw new Error('the subject must be 1 to 250 printable characters');
  const wrong = [...grants.register, ...grants.read, ...grants.namespaces].find((pattern) => !isPattern(pattern));
  if (wrong !== undefined) throw new Error(`"${wrong}" must be a name, a beginning with "*" behind it, or "*"`);
  const { algorithm, material } = keyOf(options.key);
  const nowSeconds = Math.floor(clock.wallMs() / 1000);
  return new SignJWT({ bascule: { ...grants } })
    .setProtectedHeader({ alg: algorithm })
    .setSubject(subject)
    .setAudience(options.audience)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + Math.floor(options.ttlMs / 1000))
    .sign(material);
}

const ALGORITHMS = new Map<string | undefined, string>([
  ['rsa', 'RS256'],
  ['ec', 'ES256'],
  ['ed25519', 'EdDSA'],
]);

function keyOf(text: string): { algorithm: string; material: KeyObject | Uint8Array } {
  if (!text.includes('-----BEGIN')) {
    const { material } = toSecretKey(text);
    return { algorithm: 'HS256', material: material as Uint8Array };
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch (error) {
    throw new Error('the key is no private key in PEM', { cause: error });
  }
  const algorithm = ALGORITHMS.get(key.asymmetricKeyType);
  if (algorithm === undefined) throw new Error('the key is none of RSA, P-256 and Ed25519');
  return { algorithm, material: key };
}
