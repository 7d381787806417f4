import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Clock } from '@bascule/core';
import { SpecError } from '../../spec.ts';
import type { Access, Principal } from './access.ts';
import { bearerOf, unauthenticated } from './bearer.ts';
import { findCertificate, type CertificateRule } from './certificates.ts';
import { isPattern, MAX_PATTERNS, type Grants } from './grants.ts';
import { createJwtJudge, type JwtRules } from './jwt.ts';
import { toKeySet, toPublicKey, toSecretKey, type JwtKey } from './jwt-keys.ts';
import { parseMarked, type MarkedValue } from './marked-value.ts';
import { findToken, hashToken, type StaticToken } from './static-tokens.ts';

const DEFAULT_AUDIENCE = 'bascule-registry';
const MIN_TOKEN_CHARS = 16;
const GRANT_FIELDS = ['register', 'read', 'namespaces'];
const KEY_READERS = { secretFile: toSecretKey, publicKeyFile: toPublicKey, jwksFile: toKeySet };
const KEY_FIELDS = ['secretFile', 'publicKeyFile', 'jwksFile'] as const;

/**
 * Reads who may do what from a YAML or JSON file, as docs/registry-access.md describes it; files that it names are read
 * as well, relative to it. Throws SpecError with file, line, field and what to write instead.
 */
export function loadAccess({ file, clock }: { readonly file: string; readonly clock: Clock }): Access {
  const root = parseMarked(readText(file), file).fields(['tokens', 'jwt', 'certificates', 'anonymous']);
  const names = new Set<string>();
  const nameOnce = (value: MarkedValue, name: string): string => {
    if (names.has(name)) value.refuse(`stands there twice (${name}): leases would have two owners`);
    names.add(name);
    return name;
  };
  const read = (value: MarkedValue): string => {
    const named = resolve(dirname(file), value.text());
    try {
      return readFileSync(named, 'utf8');
    } catch (error) {
      return value.refuse(`names ${named}, which cannot be read: ${(error as Error).message}`);
    }
  };

  const tokens = root
    .get('tokens')
    ?.items()
    .map((item): StaticToken => {
      const fields = item.fields(['name', 'sha256', 'tokenFile', ...GRANT_FIELDS]);
      const nameField = fields.get('name') ?? item.refuse('needs a name');
      const name = nameOnce(nameField, `token:${plainName(nameField)}`);
      return { hash: hashOf(item, fields, read), principal: principalOf(name, fields) };
    });
  const certificates = root
    .get('certificates')
    ?.items()
    .map((item): CertificateRule => {
      const fields = item.fields(['uri', 'dns', 'cn', ...GRANT_FIELDS]);
      const [kind, ...more] = (['uri', 'dns', 'cn'] as const).filter((field) => fields.has(field));
      if (kind === undefined || more.length > 0) return item.refuse('needs one of uri, dns and cn');
      const value = fields.get(kind) as MarkedValue;
      const name = value.text();
      return { kind, name, principal: principalOf(nameOnce(value, `certificate:${name}`), fields) };
    });
  const jwt = root.get('jwt');
  const judge = jwt && createJwtJudge(toJwtRules(jwt, read), clock);
  // Who registers is to be known, so nobody may without showing something.
  const anonymous = root.get('anonymous')?.fields(['read', 'namespaces']);
  return createAccess({
    tokens: tokens ?? [],
    certificates: certificates ?? [],
    judge,
    anonymous: anonymous && principalOf('anonymous', anonymous),
  });
}

function createAccess(rules: {
  readonly tokens: readonly StaticToken[];
  readonly certificates: readonly CertificateRule[];
  readonly judge: ReturnType<typeof createJwtJudge> | undefined;
  readonly anonymous: Principal | undefined;
}): Access {
  const { tokens, certificates, judge, anonymous } = rules;
  return {
    identify({ authorization, certificate }) {
      const token = bearerOf(authorization);
      if (token !== undefined) {
        const principal = findToken(tokens, token);
        if (principal !== undefined) return principal;
        if (judge !== undefined && token.split('.').length === 3) return judge(token);
        throw unauthenticated('the token is not known here');
      }
      const known = certificate && findCertificate(certificates, certificate);
      return known ?? anonymous;
    },
  };
}

type Fields = ReadonlyMap<string, MarkedValue>;

function hashOf(item: MarkedValue, fields: Fields, read: (value: MarkedValue) => string): Buffer {
  const [sha256, tokenFile] = [fields.get('sha256'), fields.get('tokenFile')];
  if ((sha256 === undefined) === (tokenFile === undefined)) return item.refuse('needs one of sha256 and tokenFile');
  if (sha256 !== undefined) {
    const hex = sha256.text();
    if (!/^[0-9a-fA-F]{64}$/.test(hex)) sha256.refuse('must be 64 hex digits, as of: printf %s "$TOKEN" | sha256sum');
    return Buffer.from(hex, 'hex');
  }
  const named = tokenFile as MarkedValue;
  const token = read(named).trim();
  if (token.length < MIN_TOKEN_CHARS) named.refuse(`names a token of less than ${MIN_TOKEN_CHARS} characters`);
  return hashToken(token);
}

function toJwtRules(jwt: MarkedValue, read: (value: MarkedValue) => string): JwtRules {
  const fields = jwt.fields(['audience', 'issuer', ...KEY_FIELDS]);
  const [kind, ...more] = KEY_FIELDS.filter((field) => fields.has(field));
  if (kind === undefined || more.length > 0) return jwt.refuse(`needs one of ${KEY_FIELDS.join(', ')}`);
  const value = fields.get(kind) as MarkedValue;
  return {
    key: toKey(value, () => KEY_READERS[kind](read(value))),
    audience: fields.get('audience')?.text() ?? DEFAULT_AUDIENCE,
    issuer: fields.get('issuer')?.text(),
  };
}

function toKey(value: MarkedValue, make: () => JwtKey): JwtKey {
  try {
    return make();
  } catch (error) {
    if (error instanceof SpecError) throw error;
    return value.refuse(`names ${value.text()}, which ${(error as Error).message}`);
  }
}

function principalOf(name: string, fields: Fields): Principal {
  const grants: Grants = {
    register: patternsOf(fields.get('register')) ?? [],
    read: patternsOf(fields.get('read')) ?? [],
    namespaces: patternsOf(fields.get('namespaces')) ?? ['default'],
  };
  return { name, grants, untilMs: Infinity, isBounded: true };
}

function patternsOf(value: MarkedValue | undefined): string[] | undefined {
  const items = value?.items();
  if (value !== undefined && items !== undefined && items.length > MAX_PATTERNS) {
    value.refuse(`has more than ${MAX_PATTERNS} entries`);
  }
  return items?.map((item) => {
    const pattern = item.text();
    return isPattern(pattern) ? pattern : item.refuse('must be a name, a beginning with "*" behind it, or "*"');
  });
}

function plainName(value: MarkedValue): string {
  const name = value.text();
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(name) ? name : value.refuse('must be 1 to 63 of A-Z a-z 0-9 . _ -');
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new SpecError(`the access file cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
