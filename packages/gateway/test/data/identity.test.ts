import { createVirtualClock } from '@bascule/core';
import type { Identity } from '@bascule/layers';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type JWTPayload } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import { createTokenVerifier, type TokenVerifierOptions } from '../../src/data/identity.ts';

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

const clock = createVirtualClock();
const nowSeconds = Math.floor(clock.wallMs() / 1_000);
const CLAIMS: JWTPayload = { sub: 'ann', iss: 'https://login.test', aud: 'gateway', exp: nowSeconds + 60 };

let ours: Keys;
let theirs: Keys;
let rsa: Keys;
let jwks: string;

beforeAll(async () => {
  [ours, theirs, rsa] = await Promise.all([
    generateKeyPair('ES256'),
    generateKeyPair('ES256'),
    generateKeyPair('RS256', { extractable: true }),
  ]);
  const keys = [
    { ...(await exportJWK(ours.publicKey)), kid: 'one', alg: 'ES256', use: 'sig' },
    { ...(await exportJWK(rsa.publicKey)), kid: 'two', alg: 'RS256', use: 'sig' },
  ];
  jwks = JSON.stringify({ keys });
});

async function sign(claims: Partial<JWTPayload> = {}, key: Keys['privateKey'] = ours.privateKey): Promise<string> {
  return new SignJWT({ ...CLAIMS, ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(key);
}

function signWithout(claim: string): Promise<string> {
  const claims = Object.fromEntries(Object.entries(CLAIMS).filter(([name]) => name !== claim));
  return new SignJWT(claims).setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(ours.privateKey);
}

async function verify(token: string, options: Partial<TokenVerifierOptions> = {}): Promise<Identity | undefined> {
  return createTokenVerifier({ clock, jwks, audience: 'gateway', issuer: 'https://login.test', ...options })(token);
}

describe('createTokenVerifier', () => {
  it('says whom a token stands for, what it claims and until when', async () => {
    const token = await sign({ scope: 'read write', roles: ['a', 'b'], level: 3, admin: true, nested: { x: 1 } });
    expect(await verify(token)).toEqual({
      principal: {
        id: 'ann',
        claims: {
          sub: 'ann',
          iss: 'https://login.test',
          aud: 'gateway',
          exp: String(nowSeconds + 60),
          scope: 'read write',
          roles: 'a b',
          level: '3',
          admin: 'true',
          nested: '{"x":1}',
        },
      },
      untilMs: (nowSeconds + 90) * 1_000,
    });
  });

  it('takes each key of the set', async () => {
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'RS256', kid: 'two' }).sign(rsa.privateKey);
    expect(await verify(token)).toMatchObject({ principal: { id: 'ann' } });
  });

  it('tells subjects of any issuers apart', async () => {
    const options: TokenVerifierOptions = { clock, jwks, audience: 'gateway' };
    const any = createTokenVerifier(options);
    const ids = await Promise.all(
      ['https://a.test', 'https://b.test'].map(async (iss) => (await any(await sign({ iss })))?.principal.id),
    );
    expect(ids).toEqual(['https://a.test ann', 'https://b.test ann']);
  });

  it('takes another claim for who somebody is', async () => {
    expect(await verify(await sign({ client_id: 'app' }), { idClaim: 'client_id' })).toMatchObject({
      principal: { id: 'app' },
    });
    expect(await verify(await sign(), { idClaim: 'client_id' })).toBeUndefined();
    expect(await verify(await sign({ client_id: 7 }), { idClaim: 'client_id' })).toBeUndefined();
  });

  it.each<[string, () => Promise<string> | string]>([
    ['signed by somebody else', () => sign({}, theirs.privateKey)],
    ['for others', () => sign({ aud: 'elsewhere' })],
    ['of another issuer', () => sign({ iss: 'https://evil.test' })],
    ['over', () => sign({ exp: nowSeconds - 31 })],
    ['not yet', () => sign({ nbf: nowSeconds + 31 })],
    ['without an end', () => signWithout('exp')],
    ['without a subject', () => signWithout('sub')],
    ['with an empty subject', () => sign({ sub: '' })],
    ['unsigned', () => new UnsecuredJWT(CLAIMS).encode()],
    [
      'changed',
      async () =>
        (await sign()).replace(
          /\.([^.]+)\./,
          `.${Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'eve' })).toString('base64url')}.`,
        ),
    ],
    [
      'signed by the public key as if it were a secret',
      async () => {
        const secret = new TextEncoder().encode(JSON.stringify(await exportJWK(rsa.publicKey)));
        return new SignJWT(CLAIMS).setProtectedHeader({ alg: 'HS256', kid: 'two' }).sign(secret);
      },
    ],
    ['no token at all', () => 'x.y.z'],
  ])('refuses one that is %s', async (_what, make) => {
    expect(await verify(await make())).toBeUndefined();
  });

  it('takes no way of signing that is not named', async () => {
    expect(await verify(await sign(), { algorithms: ['RS256'] })).toBeUndefined();
    expect(await verify(await sign(), { algorithms: ['ES256'] })).toBeDefined();
  });

  it.each([
    ['not JSON', '{', {}, /^the key set is not JSON/],
    ['no key set', '[]', {}, /^the key set must be/],
    ['empty', '{"keys":[]}', {}, /with at least one key/],
    ['algorithm none', undefined, { algorithms: ['none'] }, /never "none"/],
    ['no algorithm', undefined, { algorithms: [] }, /at least one/],
  ])('says what is wrong with a configuration: %s', (_what, text, options, message) => {
    expect(() => createTokenVerifier({ clock, jwks: text ?? jwks, audience: 'x', ...options })).toThrow(message);
  });
});
