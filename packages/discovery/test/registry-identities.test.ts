import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createCallContext, createVirtualClock, type PeerCertificate } from '@bascule/core';
import { Code, ConnectError } from '@connectrpc/connect';
import { base64url, CompactSign, exportJWK, SignJWT } from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import { PEER, registryContextValues } from '../src/registry/caller.ts';
import { accessOf, openGuarded } from './access-rig.ts';
import { codeOf } from './registry-rig.ts';
import { closeAll } from './rig.ts';

afterEach(closeAll);

const SECRET = 'a secret of more than thirty-two bytes, for tests';
const ED = generateKeyPairSync('ed25519');
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const RSA = generateKeyPairSync('rsa', { modulusLength: 2_048 });
const pemOf = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }) as string;

const CLAIMS = { bascule: { register: ['demo.v1.A'], read: ['demo.*'] } };

interface Wish {
  readonly alg?: string;
  readonly claims?: Record<string, unknown>;
  readonly sub?: string;
  readonly audience?: string;
  readonly expiresInS?: number;
  readonly notBeforeS?: number;
  readonly kid?: string;
}

const clockOf = () => createVirtualClock();

function sign(key: KeyObject | Uint8Array, wish: Wish = {}): Promise<string> {
  const nowS = Math.floor(clockOf().wallMs() / 1_000);
  const { alg = 'EdDSA', claims = CLAIMS, sub = 'places', audience = 'bascule-registry', expiresInS = 600 } = wish;
  const jwt = new SignJWT(claims)
    .setProtectedHeader({ alg, ...(wish.kid !== undefined && { kid: wish.kid }) })
    .setExpirationTime(nowS + expiresInS);
  if (sub !== '') jwt.setSubject(sub);
  if (audience !== '') jwt.setAudience(audience);
  if (wish.notBeforeS !== undefined) jwt.setNotBefore(nowS + wish.notBeforeS);
  return jwt.sign(key);
}

const byPublicKey = (pem: string) => openGuarded('jwt: { publicKeyFile: key.pem }', { files: { 'key.pem': pem } });
const messageOf = (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => 'no error',
    (error: unknown) => ConnectError.from(error).rawMessage,
  );

describe('a JSON Web Token', () => {
  it.each([
    ['Ed25519', 'EdDSA', ED],
    ['P-256', 'ES256', EC],
    ['RSA', 'RS256', RSA],
  ])('is taken when it is signed by the right key: %s', async (_, alg, { publicKey, privateKey }) => {
    const { as, audit } = byPublicKey(pemOf(publicKey));
    const caller = as({ token: await sign(privateKey, { alg }) });
    await caller.register();
    expect(await caller.ids()).toEqual(['a#5']);
    expect(await codeOf(caller.register({ instanceId: 'b', services: ['demo.v1.B'] }))).toBe(Code.PermissionDenied);
    expect(audit[0]).toMatchObject({ principal: 'jwt:places', outcome: 'allowed' });
    const other = generateKeyPairSync(alg === 'RS256' ? 'rsa' : ((alg === 'ES256' ? 'ec' : 'ed25519') as 'rsa'), {
      modulusLength: 2_048,
      namedCurve: 'P-256',
    } as { modulusLength: number });
    expect(await codeOf(as({ token: await sign(other.privateKey, { alg }) }).ids())).toBe(Code.Unauthenticated);
  });

  it('may be signed with a shared secret', async () => {
    const { as } = openGuarded('jwt: { secretFile: secret }', { files: { secret: `${SECRET}\n` } });
    const bytes = new TextEncoder().encode(SECRET);
    expect(await as({ token: await sign(bytes, { alg: 'HS256' }) }).ids()).toEqual([]);
    expect(await codeOf(as({ token: await sign(bytes, { alg: 'HS512' }) }).ids())).toBe(Code.Unauthenticated);
    const guessed = new TextEncoder().encode(SECRET.replace('a', 'b'));
    expect(await codeOf(as({ token: await sign(guessed, { alg: 'HS256' }) }).ids())).toBe(Code.Unauthenticated);
  });

  it('may be of one of several keys', async () => {
    const keys = [
      { ...(await exportJWK(ED.publicKey)), kid: 'one', alg: 'EdDSA' },
      { ...(await exportJWK(EC.publicKey)), kid: 'two', alg: 'ES256' },
    ];
    const { as } = openGuarded('jwt: { jwksFile: keys.json }', { files: { 'keys.json': JSON.stringify({ keys }) } });
    expect(await as({ token: await sign(ED.privateKey, { kid: 'one' }) }).ids()).toEqual([]);
    expect(await as({ token: await sign(EC.privateKey, { kid: 'two', alg: 'ES256' }) }).ids()).toEqual([]);
    const crossed = await sign(EC.privateKey, { kid: 'one', alg: 'ES256' });
    expect(await codeOf(as({ token: crossed }).ids())).toBe(Code.Unauthenticated);
  });

  it.each<[string, RegExp, Wish]>([
    ['is over', /expired/, { expiresInS: -61 }],
    ['has not begun', /nbf/, { notBeforeS: 61 }],
    ['is for somebody else', /aud/, { audience: 'another' }],
    ['is for nobody', /aud/, { audience: '' }],
    ['says nobody', /sub/, { sub: '' }],
    ['says somebody odd', /sub/, { sub: 'a\nb' }],
    ['says its rights wrongly', /bascule.register/, { claims: { bascule: { register: 'demo.*' } } }],
    ['has patterns that are none', /bascule.read/, { claims: { bascule: { read: ['*.demo'] } } }],
  ])('is not taken when it %s', async (_, words, wish) => {
    const { as, audit } = byPublicKey(pemOf(ED.publicKey));
    const caller = as({ token: await sign(ED.privateKey, wish) });
    expect(await codeOf(caller.ids())).toBe(Code.Unauthenticated);
    expect(await messageOf(caller.register())).toMatch(words);
    expect(audit.at(-1)).toMatchObject({ principal: 'unknown', outcome: 'refused' });
  });

  it.each<[string, Wish]>([
    ['has just ended', { expiresInS: -59 }],
    ['is about to begin', { notBeforeS: 59 }],
  ])('is taken when it %s, since clocks differ', async (_, wish) => {
    const { as } = byPublicKey(pemOf(ED.publicKey));
    expect(await as({ token: await sign(ED.privateKey, wish) }).ids()).toEqual([]);
  });

  it('without rights may do nothing, and is somebody all the same', async () => {
    const { as } = byPublicKey(pemOf(ED.publicKey));
    const caller = as({ token: await sign(ED.privateKey, { claims: {} }) });
    expect(await codeOf(caller.ids())).toBe(Code.PermissionDenied);
    expect(await codeOf(caller.register())).toBe(Code.PermissionDenied);
  });

  it('cannot choose how it is checked', async () => {
    const pem = pemOf(RSA.publicKey);
    const { as } = byPublicKey(pem);
    const nowS = Math.floor(clockOf().wallMs() / 1_000);
    const payload = { ...CLAIMS, sub: 'root', aud: 'bascule-registry', exp: nowS + 600 };
    const encode = (value: unknown): string => base64url.encode(JSON.stringify(value));
    // The public key, which everybody knows, as if it were a secret.
    const confused = await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'HS256' })
      .sign(new TextEncoder().encode(pem));
    const own = generateKeyPairSync('ed25519');
    const carried = await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
      .setProtectedHeader({ alg: 'EdDSA', jwk: await exportJWK(own.publicKey) })
      .sign(own.privateKey);
    const good = (await sign(RSA.privateKey, { alg: 'RS256' })).split('.');
    const tokens = [
      confused,
      carried,
      `${encode({ alg: 'none' })}.${encode(payload)}.`,
      `${encode({ alg: 'none' })}.${encode(payload)}.x`,
      `${good[0]}.${encode(payload)}.${good[2]}`,
      `${good[0]}.${good[1]}.`,
      `${good[0]}.${good[1]}.${good[2]}.${good[2]}`,
      'a.b.c',
      `${'x'.repeat(9_000)}.y.z`,
    ];
    for (const token of tokens) expect(await codeOf(as({ token }).ids())).toBe(Code.Unauthenticated);
    expect(await as({ token: good.join('.') }).ids()).toEqual([]);
  });

  it('ends the streams that were opened with it', async () => {
    const { as, clock, registry } = byPublicKey(pemOf(ED.publicKey));
    const caller = as({ token: await sign(ED.privateKey, { expiresInS: 100 }) });
    await caller.register();
    const watch = caller.openWatch();
    await watch.next();
    const next = watch.next();
    clock.advance(159_000);
    // Heartbeats until then.
    await next;
    const last = drain(watch.next);
    clock.advance(1_000);
    expect(await codeOf(last)).toBe(Code.Unauthenticated);
    expect(await codeOf(caller.ids())).toBe(Code.Unauthenticated);
    expect(registry.status().streams).toBe(0);
  });

  it('stands beside other tokens', async () => {
    const rules =
      'jwt: { publicKeyFile: key.pem, issuer: me, audience: you }\ntokens: [{name: t, tokenFile: t, read: ["*"]}]';
    const files = { 'key.pem': pemOf(ED.publicKey), t: 'a.token.with-dots-in-it\n' };
    const { as } = openGuarded(rules, { files });
    expect(await as({ token: 'a.token.with-dots-in-it' }).ids()).toEqual([]);
    const foreign = await sign(ED.privateKey, { audience: 'you' });
    expect(await messageOf(as({ token: foreign }).ids())).toMatch(/iss/);
    const own = await sign(ED.privateKey, { audience: 'you', claims: { ...CLAIMS, iss: 'me' } });
    expect(await as({ token: own }).ids()).toEqual([]);
  });
});

async function drain(next: () => Promise<unknown>): Promise<void> {
  while ((await next()) !== undefined);
}

describe('a certificate', () => {
  const rules = `
certificates:
  - { uri: 'spiffe://demo/places', register: [demo.v1.A], read: ['*'] }
  - { dns: places.internal, read: [demo.v1.B] }
  - { cn: old-places, read: ['*'] }
`;
  const certificate = (parts: Partial<PeerCertificate>): PeerCertificate => ({
    uris: [],
    dnsNames: [],
    commonName: '',
    ...parts,
  });

  it('stands for whoever the rules say', async () => {
    const { as, audit } = openGuarded(rules);
    const byUri = as({ certificate: certificate({ uris: ['spiffe://demo/other', 'spiffe://demo/places'] }) });
    await byUri.register();
    expect(await byUri.ids()).toEqual(['a#5']);
    expect(audit[0]).toMatchObject({ principal: 'certificate:spiffe://demo/places' });
    const byName = as({ certificate: certificate({ dnsNames: ['Places.Internal'] }) });
    expect(await byName.ids()).toEqual([]);
    expect(await as({ certificate: certificate({ commonName: 'old-places' }) }).ids()).toEqual(['a#5']);
  });

  it('is nobody where the rules do not name it', async () => {
    const { as } = openGuarded(rules);
    for (const parts of [
      {},
      { uris: ['spiffe://demo/place'] },
      { uris: ['places.internal'] },
      { dnsNames: ['x.places.internal'] },
      { dnsNames: ['spiffe://demo/places'] },
      // A name that anybody may write beside others does not count.
      { dnsNames: ['x'], commonName: 'old-places' },
    ]) {
      expect(await codeOf(as({ certificate: certificate(parts) }).ids())).toBe(Code.Unauthenticated);
    }
  });

  it('comes with the call, and so does the address', () => {
    const call = createCallContext('1', 0, '10.0.0.9');
    const shown = certificate({ dnsNames: ['a'] });
    call.peerCertificate = shown;
    const head = { method: 'POST', path: '/', authority: '', scheme: 'https', fields: [], call } as const;
    expect(registryContextValues(head).get(PEER)).toEqual({ address: '10.0.0.9', certificate: shown });
  });

  it('gives way to a token', async () => {
    const files = { t: 'a-token-of-sixteen' };
    const { as } = openGuarded(`${rules}\ntokens: [{ name: t, tokenFile: t, register: ['*'] }]`, { files });
    const shown = { certificate: certificate({ uris: ['spiffe://demo/places'] }) };
    expect(await codeOf(as({ ...shown, token: 'a-token-of-sixteen' }).ids())).toBe(Code.PermissionDenied);
    expect(await codeOf(as({ ...shown, token: 'wrong' }).ids())).toBe(Code.Unauthenticated);
  });
});

describe('an access file', () => {
  const files = {
    short: 'abc',
    secret: 'too short',
    'private.pem': ED.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
    'small.pem': pemOf(generateKeyPairSync('rsa', { modulusLength: 1_024 }).publicKey),
    'curve.pem': pemOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey),
    'secret.json': '{"keys":[{"kty":"oct","k":"AAAA"}]}',
    'private.json': JSON.stringify({
      keys: [createPrivateKey(ED.privateKey.export({ type: 'pkcs8', format: 'pem' })).export({ format: 'jwk' })],
    }),
    'empty.json': '{"keys":[]}',
    'text.json': 'keys',
  };

  it.each<[string, string, RegExp]>([
    ['tokens', 'tokens: x', /line 1: tokens must be a list/],
    ['an entry', '\n\nfoo: 1', /line 3: foo is not known here; there are tokens, jwt, certificates, anonymous/],
    ['a list', '- a', /line 1: the file must have fields/],
    ['nothing', '', /the file must have fields/],
    ['broken text', 'tokens: [', /line 1:/],
    ['a name', 'tokens:\n  - sha256: aa', /line 2: tokens\[0\] needs a name/],
    ['a plain name', 'tokens: [{ name: "a b", sha256: aa }]', /tokens\[0\]\.name must be 1 to 63/],
    ['a hash', 'tokens: [{ name: a, sha256: abc }]', /sha256 must be 64 hex digits/],
    ['a token', 'tokens: [{ name: a }]', /needs one of sha256 and tokenFile/],
    ['one token', `tokens: [{ name: a, tokenFile: short, sha256: ${'a'.repeat(64)} }]`, /needs one of sha256 and/],
    [
      'a file that is there',
      'tokens: [{ name: a, tokenFile: missing }]',
      /tokenFile names .*missing, which cannot be read/,
    ],
    ['a long token', 'tokens: [{ name: a, tokenFile: short }]', /less than 16 characters/],
    [
      'names once',
      `tokens: [{ name: a, sha256: ${'a'.repeat(64)} }, { name: a, sha256: ${'b'.repeat(64)} }]`,
      /stands there twice \(token:a\)/,
    ],
    [
      'patterns',
      `tokens: [{ name: a, sha256: ${'a'.repeat(64)}, read: ['*.demo'] }]`,
      /tokens\[0\]\.read\[0\] must be a name/,
    ],
    [
      'lists of them',
      `tokens: [{ name: a, sha256: ${'a'.repeat(64)}, read: demo }]`,
      /tokens\[0\]\.read must be a list/,
    ],
    ['a key', 'jwt: {}', /jwt needs one of secretFile, publicKeyFile, jwksFile/],
    ['one key', 'jwt: { secretFile: secret, jwksFile: empty.json }', /jwt needs one of/],
    ['a long secret', 'jwt: { secretFile: secret }', /jwt\.secretFile names secret, which holds a secret of 9 bytes/],
    ['a public key', 'jwt: { publicKeyFile: private.pem }', /holds a private key/],
    ['a key in PEM', 'jwt: { publicKeyFile: short }', /holds no public key in PEM/],
    ['a strong key', 'jwt: { publicKeyFile: small.pem }', /none of RSA from 2048 bits, P-256 and Ed25519/],
    ['a known curve', 'jwt: { publicKeyFile: curve.pem }', /none of RSA from 2048 bits, P-256 and Ed25519/],
    ['public keys', 'jwt: { jwksFile: secret.json }', /none of RSA, EC and OKP/],
    ['no private ones', 'jwt: { jwksFile: private.json }', /holds a private key/],
    ['some keys', 'jwt: { jwksFile: empty.json }', /holds no list "keys"/],
    ['JSON', 'jwt: { jwksFile: text.json }', /is no JSON/],
    ['a kind of name', 'certificates: [{ read: [a] }]', /certificates\[0\] needs one of uri, dns and cn/],
    ['one kind', 'certificates: [{ uri: a, cn: b }]', /certificates\[0\] needs one of uri, dns and cn/],
    ['rights to read only', "anonymous: { register: ['*'] }", /anonymous\.register is not known here; there are read/],
    ['an anchor that is none', 'tokens: *x', /line 1/],
  ])('says what is wrong: it must have %s', (_, rules, words) => {
    expect(() => accessOf(rules, files)).toThrow(words);
    expect(() => accessOf(rules, files)).toThrow(expect.objectContaining({ name: 'SpecError' }) as Error);
  });

  it('may be JSON', async () => {
    const { as } = openGuarded(JSON.stringify({ anonymous: { read: ['*'] } }));
    expect(await as({}).ids()).toEqual([]);
  });
});
