import { createHash } from 'node:crypto';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import type { Clock } from '@bascule/core';
import type { ConnectError } from '@connectrpc/connect';
import type { Principal } from './access.ts';
import { unauthenticated } from './bearer.ts';
import { isPattern, MAX_PATTERNS, type Grants } from './grants.ts';
import type { JwtKey } from './jwt-keys.ts';

/** How far the clocks of who signs and who checks may be apart. */
const SKEW_SECONDS = 60;
const MAX_TOKEN_CHARS = 8_192;
const MAX_KNOWN = 10_000;

export interface JwtRules {
  readonly key: JwtKey;
  readonly audience: string;
  /** Undefined: any. */
  readonly issuer: string | undefined;
}

/** Tells who a JSON Web Token (RFC 7519) stands for. Rejects with `unauthenticated`. */
export type JwtJudge = (token: string) => Principal | Promise<Principal>;

/** Signatures cost a tenth of a millisecond, so tokens that were found good are known by their hash until they end. */
export function createJwtJudge({ key, audience, issuer }: JwtRules, clock: Clock): JwtJudge {
  const known = new Map<string, Principal>();

  async function verify(token: string, hash: string): Promise<Principal> {
    const options: JWTVerifyOptions = {
      // The key decides, never the token: who could choose would sign with a public key as if it were a secret.
      algorithms: [...key.algorithms],
      audience,
      clockTolerance: SKEW_SECONDS,
      currentDate: new Date(clock.wallMs()),
      requiredClaims: ['exp', 'sub'],
      ...(issuer !== undefined && { issuer }),
    };
    const { payload } = await jwtVerify(token, key.material, options).catch(refuse);
    const principal = principalOf(payload);
    if (known.size >= MAX_KNOWN) known.delete(known.keys().next().value as string);
    known.set(hash, principal);
    return principal;
  }

  return (token) => {
    if (token.length > MAX_TOKEN_CHARS) throw unauthenticated(`the token is longer than ${MAX_TOKEN_CHARS} characters`);
    const hash = createHash('sha256').update(token).digest('base64');
    const principal = known.get(hash);
    if (principal === undefined) return verify(token, hash);
    if (principal.untilMs > clock.wallMs()) return principal;
    known.delete(hash);
    throw unauthenticated('the token has expired');
  };
}

function principalOf({ sub, exp, bascule }: JWTPayload): Principal {
  const name = `jwt:${sub as string}`;
  if (!/^[\x21-\x7e]{1,255}$/.test(name)) throw unauthenticated('the claim sub must be 1 to 250 printable characters');
  const untilMs = ((exp as number) + SKEW_SECONDS) * 1_000;
  return { name, grants: grantsOf(bascule), untilMs, isBounded: true };
}

function grantsOf(claim: unknown): Grants {
  const claims = typeof claim === 'object' && claim !== null ? (claim as Record<string, unknown>) : {};
  const { register = [], read = [], namespaces = ['default'] } = claims;
  return {
    register: patternsOf(register, 'register'),
    read: patternsOf(read, 'read'),
    namespaces: patternsOf(namespaces, 'namespaces'),
  };
}

function patternsOf(value: unknown, name: string): string[] {
  const isList = Array.isArray(value) && value.length <= MAX_PATTERNS;
  if (isList && value.every((item): item is string => typeof item === 'string' && isPattern(item))) return value;
  throw unauthenticated(`the claim bascule.${name} must be a list of names such as "demo.*"`);
}

function refuse(error: unknown): never {
  throw toRefusal(error);
}

/** In words of our own, since a library's may repeat what the token says. */
function toRefusal(error: unknown): ConnectError {
  if (error instanceof errors.JWTExpired) return unauthenticated('the token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    return unauthenticated(`the token's claim ${error.claim} is missing or not what is asked for`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return unauthenticated('the token is signed in a way that is not allowed');
  if (error instanceof errors.JOSEError)
    return unauthenticated('the token is not right, or not signed by whom it should be');
  return unauthenticated('the token cannot be read');
}
