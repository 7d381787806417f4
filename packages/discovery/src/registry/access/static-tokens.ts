import { createHash, timingSafeEqual } from 'node:crypto';
import type { Access, Principal } from './access.ts';
import { bearerOf, unauthenticated } from './bearer.ts';
import { ALL_GRANTS } from './grants.ts';

/** A token by its SHA-256 hash, and whose it is. */
export interface StaticToken {
  readonly hash: Buffer;
  readonly principal: Principal;
}

/** The SHA-256 hash of a token. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** Whose token it is. Compares with all of them, whole hashes each, so that the time tells nothing of any. */
export function findToken(tokens: readonly StaticToken[], token: string): Principal | undefined {
  const given = hashToken(token);
  let found: Principal | undefined;
  for (const { hash, principal } of tokens) {
    if (timingSafeEqual(hash, given)) found = principal;
  }
  return found;
}

/** One token that may do everything, and nothing without it. Throws for an empty token, which everybody has. */
export function createTokenAccess(token: string): Access {
  if (token === '') throw new Error('an empty token lets everybody in: give one of at least 16 characters');
  const principal: Principal = { name: 'operator', grants: ALL_GRANTS, untilMs: Infinity, isBounded: false };
  const tokens: readonly StaticToken[] = [{ hash: hashToken(token), principal }];
  return {
    identify({ authorization }) {
      const given = bearerOf(authorization);
      if (given === undefined) return undefined;
      const principal = findToken(tokens, given);
      if (principal === undefined) throw unauthenticated('the token is not the right one');
      return principal;
    },
  };
}
