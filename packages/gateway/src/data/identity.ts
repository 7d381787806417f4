import { createLocalJWKSet, jwtVerify, type JSONWebKeySet, type JWTPayload } from 'jose';
import type { Clock, Layer, Principal } from '@bascule/core';
import { createIdentifyLayer, type Identity, type VerifyToken } from '@bascule/layers';
import type { IdentityFacts } from '../snapshot.ts';

export interface TokenVerifierOptions {
  readonly clock: Clock;
  /** Text of a JSON Web Key Set (RFC 7517). */
  readonly jwks: string;
  /** What `aud` must hold: a token for others is none for us. */
  readonly audience: string;
  /** What `iss` must be; undefined takes any whose key is in the set, and then it is part of who somebody is. */
  readonly issuer?: string;
  /** How tokens may be signed. Default: RS256, PS256, ES256, EdDSA. Secrets (HS256) only where they are named here. */
  readonly algorithms?: readonly string[];
  /** Claim that says who somebody is. Default `sub`. */
  readonly idClaim?: string;
}

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'];
/** How far the clocks of who signs and who checks may be apart. */
const SKEW_SECONDS = 30;

/**
 * Checks JSON Web Tokens (RFC 7519) against a set of keys. The configuration says how tokens may be signed, never the
 * token: who could choose would sign with a public key as if it were a secret (RFC 8725, 3.1). Tokens without an end are
 * refused. Throws for a key set that cannot be read, with what is wrong with it.
 */
export function createTokenVerifier(options: TokenVerifierOptions): VerifyToken {
  const { clock, audience, issuer, idClaim = 'sub' } = options;
  const keys = createLocalJWKSet(parseKeySet(options.jwks));
  const algorithms = [...(options.algorithms ?? ALGORITHMS)];
  if (algorithms.length === 0 || algorithms.includes('none')) {
    throw new Error('the algorithms of tokens must name at least one, and never "none"');
  }

  return async (token) => {
    try {
      const { payload } = await jwtVerify(token, keys, {
        algorithms,
        audience,
        clockTolerance: SKEW_SECONDS,
        currentDate: new Date(clock.wallMs()),
        requiredClaims: ['exp', idClaim],
        ...(issuer !== undefined && { issuer }),
      });
      return identityOf(payload, idClaim, issuer === undefined);
    } catch {
      return undefined;
    }
  };
}

function parseKeySet(text: string): JSONWebKeySet {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`the key set is not JSON: ${(error as Error).message}`, { cause: error });
  }
  const { keys } = (value ?? {}) as { keys?: unknown };
  if (!Array.isArray(keys) || keys.length === 0)
    throw new Error('the key set must be {"keys": [...]} with at least one key');
  return value as JSONWebKeySet;
}

function identityOf(payload: JWTPayload, idClaim: string, isAnyIssuer: boolean): Identity | undefined {
  const id = payload[idClaim];
  if (typeof id !== 'string' || id === '') return undefined;
  const principal: Principal = {
    // A subject is unique with its issuer only.
    id: isAnyIssuer ? `${payload.iss ?? ''} ${id}` : id,
    claims: Object.fromEntries(Object.entries(payload).map(([name, value]) => [name, textOf(value)])),
  };
  return { principal, untilMs: ((payload.exp as number) + SKEW_SECONDS) * 1_000 };
}

/** Lists as OAuth writes scopes: with spaces between. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value.join(' ');
  return JSON.stringify(value);
}

/** The layer that finds out who calls, as the configuration says. */
export function createIdentity({ jwks, issuer, audience, required }: IdentityFacts, clock: Clock): Layer {
  const verify = createTokenVerifier({ clock, jwks, audience, ...(issuer !== undefined && { issuer }) });
  return createIdentifyLayer({ clock, verify, required });
}
