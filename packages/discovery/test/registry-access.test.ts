import { RegistryService, State } from '@bascule/schema/gen/bascule/registry/v1/registry_pb.ts';
import { Code, createClient, createRouterTransport } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { formatAuditLine, type AuditEvent } from '../src/registry/access/audit.ts';
import { requireGuarded } from '../src/registry/access/exposure.ts';
import { createTokenAccess } from '../src/registry/access/static-tokens.ts';
import { createRegistry } from '../src/registry/registry.ts';
import { accessOf, openGuarded, sha256 } from './access-rig.ts';
import { BASE, codeOf, speakTo } from './registry-rig.ts';
import { closeAll, DIGEST, onClose, SCHEMA } from './rig.ts';

afterEach(closeAll);

const RULES = `
tokens:
  - { name: a, sha256: ${sha256('token-of-a')}, register: [demo.v1.A], read: [demo.v1.A] }
  - { name: b, sha256: ${sha256('token-of-b')}, register: [demo.v1.B], read: [demo.v1.B] }
  - { name: reader, sha256: ${sha256('token-of-reader')}, read: ['*'] }
  - { name: blue, sha256: ${sha256('token-of-blue')}, register: ['demo.*'], read: ['*'], namespaces: [blue, 'blue-*'] }
`;

const open = (options: Parameters<typeof openGuarded>[1] = {}) => {
  const guarded = openGuarded(RULES, options);
  return {
    ...guarded,
    a: guarded.as({ token: 'token-of-a' }),
    b: guarded.as({ token: 'token-of-b' }),
    reader: guarded.as({ token: 'token-of-reader' }),
    blue: guarded.as({ token: 'token-of-blue' }),
    nobody: guarded.as({}),
    guesser: guarded.as({ token: 'token-of-c' }),
  };
};

const said = ({ principal, verb, services, outcome }: AuditEvent): string =>
  `${principal} ${verb} ${services.join(',')} ${outcome}`;

describe('a registry with access rules', () => {
  it('lets nobody in who shows nothing, or nothing right', async () => {
    const { a, nobody, guesser, audit, registry } = open();
    const { leaseId } = await a.register();
    const before = registry.status();
    for (const caller of [nobody, guesser]) {
      const { client, headers } = caller;
      const calls = [
        caller.register({ instanceId: 'x' }),
        client.renew({ leaseId }, { headers }),
        client.renew({ leaseId: 'unknown' }, { headers }),
        client.deregister({ leaseId }, { headers }),
        client.deregister({ leaseId: 'unknown' }, { headers }),
        client.list({}, { headers }),
        caller.openWatch().next(),
        client.keepAlive(noRequests(), { headers })[Symbol.asyncIterator]().next(),
        client.getSchema({ digest: DIGEST }, { headers }),
      ];
      for (const call of calls) expect(await codeOf(call)).toBe(Code.Unauthenticated);
    }
    expect(registry.status()).toMatchObject({ instances: 1, revision: before.revision, renewals: 0, streams: 0 });
    expect(audit.length).toBe(1 + 18);
    expect(audit.slice(1).every(({ outcome, reason }) => outcome === 'refused' && reason !== '')).toBe(true);
  });

  it('lets who may read not write', async () => {
    const { reader, a, audit } = open();
    const { leaseId } = await a.register();
    expect(await reader.ids()).toEqual(['a#5']);
    const { client, headers } = reader;
    for (const call of [
      reader.register({ instanceId: 'x' }),
      client.renew({ leaseId }, { headers }),
      client.deregister({ leaseId }, { headers }),
      client.deregister({ leaseId: 'unknown' }, { headers }),
    ]) {
      expect(await codeOf(call)).toBe(Code.PermissionDenied);
    }
    expect(await reader.ids()).toEqual(['a#5']);
    expect(audit.map(said)).toEqual([
      'token:a register demo.v1.A allowed',
      'token:reader register demo.v1.A refused',
      'token:reader renew demo.v1.A refused',
      'token:reader deregister demo.v1.A refused',
      'token:reader deregister  refused',
    ]);
  });

  it('lets nobody register the services of others', async () => {
    const { a, registry, audit } = open();
    expect(await codeOf(a.register({ services: ['demo.v1.B'] }))).toBe(Code.PermissionDenied);
    expect(await codeOf(a.register({ services: ['demo.v1.A', 'demo.v1.B'] }))).toBe(Code.PermissionDenied);
    expect(await codeOf(a.register({ services: ['demo.v1.AB'] }))).toBe(Code.PermissionDenied);
    expect(registry.status().instances).toBe(0);
    expect(audit.at(-1)).toMatchObject({ reason: 'token:a may not register demo.v1.AB', address: '10.0.0.7' });
  });

  it('lets nobody take over an instance, nor its lease', async () => {
    const { a, b, registry, audit } = open();
    const { leaseId } = await b.register({ services: ['demo.v1.B'], instanceId: 'of-b' });
    const { revision } = registry.status();
    // As an instance of B: with a service of its own, at a higher incarnation.
    expect(await codeOf(a.register({ instanceId: 'of-b', incarnation: 9n }))).toBe(Code.PermissionDenied);
    expect(await codeOf(a.register({ instanceId: 'of-b' }))).toBe(Code.PermissionDenied);
    const { client, headers } = a;
    expect(await codeOf(client.renew({ leaseId }, { headers }))).toBe(Code.PermissionDenied);
    expect(await codeOf(client.deregister({ leaseId }, { headers }))).toBe(Code.PermissionDenied);
    const stream = client.keepAlive(requests([leaseId]), { headers })[Symbol.asyncIterator]();
    expect(await codeOf(stream.next())).toBe(Code.PermissionDenied);
    expect(registry.status()).toMatchObject({ revision, renewals: 0, instances: 1, refusals: 5 });
    expect(await b.ids()).toEqual(['of-b#5']);
    expect(audit.slice(1).map(said)).toEqual([
      'token:a register demo.v1.A refused',
      'token:a register demo.v1.A refused',
      'token:a renew demo.v1.B refused',
      'token:a deregister demo.v1.B refused',
      'token:a renew demo.v1.B refused',
    ]);
    // Its owner may, of course.
    await b.client.renew({ leaseId }, { headers: b.headers });
    await b.client.deregister({ leaseId }, { headers: b.headers });
  });

  it('shows each what it may see', async () => {
    const { a, b, reader } = open();
    await a.register();
    await b.register({ instanceId: 'b', services: ['demo.v1.B'] });
    const { client, headers } = a;
    expect(await codeOf(client.list({ services: ['demo.v1.B'] }, { headers }))).toBe(Code.PermissionDenied);
    expect(await codeOf(a.openWatch({ services: ['demo.v1.A', 'demo.v1.B'] }).next())).toBe(Code.PermissionDenied);
    expect([await a.ids(), await b.ids(), await reader.ids()]).toEqual([['a#5'], ['b#5'], ['a#5', 'b#5']]);
    const watch = a.openWatch();
    expect((await watch.next()).events.length).toBe(1);
    await b.register({ instanceId: 'b', services: ['demo.v1.B'], weight: 2 });
    await a.register({ weight: 2 });
    expect((await watch.next()).events.map(({ event }) => event.value?.instanceId)).toEqual(['a']);
  });

  it('keeps descriptors from who may not see those who use them', async () => {
    const { a, b, reader } = open();
    await a.register({ schemaDigest: DIGEST }, { schema: SCHEMA });
    const get = ({ client, headers }: typeof a) => client.getSchema({ digest: DIGEST }, { headers });
    expect((await get(a)).schema).toEqual(SCHEMA);
    expect((await get(reader)).schema).toEqual(SCHEMA);
    expect(await codeOf(get(b))).toBe(Code.NotFound);
  });

  it('keeps to namespaces', async () => {
    const { blue, a } = open();
    expect(await codeOf(blue.register())).toBe(Code.PermissionDenied);
    expect(await codeOf(blue.ids())).toBe(Code.PermissionDenied);
    expect(await codeOf(a.register({}, { namespace: 'blue' }))).toBe(Code.PermissionDenied);
    const { leaseId } = await blue.register({}, { namespace: 'blue' });
    await blue.register({}, { namespace: 'blue-2' });
    expect(await codeOf(blue.register({}, { namespace: 'blu' }))).toBe(Code.PermissionDenied);
    expect(await blue.ids('blue')).toEqual(['a#5']);
    await blue.client.renew({ leaseId }, { headers: blue.headers });
  });

  it('lets anonymous callers see what the rules say, and register nothing', async () => {
    const { as } = openGuarded(`${RULES}\nanonymous: { read: [demo.v1.A] }\n`);
    const [a, nobody] = [as({ token: 'token-of-a' }), as({})];
    await a.register();
    expect(await nobody.ids()).toEqual(['a#5']);
    const { client } = nobody;
    expect(await codeOf(client.list({ services: ['demo.v1.B'] }))).toBe(Code.Unauthenticated);
    expect(await codeOf(nobody.register({ instanceId: 'x' }))).toBe(Code.Unauthenticated);
    // A wrong token is no anonymous caller: whoever shows one wants to be somebody.
    expect(await codeOf(as({ token: 'token-of-c' }).ids())).toBe(Code.Unauthenticated);
  });

  it('trusts callers of its own process', async () => {
    const { registry, a } = open();
    await a.register();
    const trusted = speakTo(createClient(RegistryService, createRouterTransport(registry.trustedRoutes)));
    expect(await trusted.ids()).toEqual(['a#5']);
    await trusted.register({ instanceId: 'local' });
    expect(await a.ids()).toEqual(['a#5', 'local#5']);
  });

  it('finds no lease that was over by the time it knew who calls', async () => {
    const rules = accessOf(RULES);
    const guarded = openGuarded(RULES, {
      access: {
        async identify(shown) {
          const principal = await rules.identify(shown);
          await new Promise(setImmediate);
          return principal;
        },
      },
    });
    const { client, headers, register, ids } = guarded.as({ token: 'token-of-a' });
    const { leaseId } = await register();
    await Promise.all([client.deregister({ leaseId }, { headers }), client.deregister({ leaseId }, { headers })]);
    const again = await register();
    const renewals = [
      client.deregister({ leaseId: again.leaseId }, { headers }),
      client.renew({ leaseId: again.leaseId, condition: { state: State.FAILING } }, { headers }),
    ];
    expect(await Promise.all(renewals.map(codeOf))).toEqual([undefined, Code.NotFound]);
    expect(await ids()).toEqual([]);
    expect(guarded.registry.status()).toMatchObject({
      instances: 0,
      registrations: 2,
      deregistrations: 2,
      revision: 5,
    });
  });

  it('ends open streams when it is told that rules have changed', async () => {
    let rules = accessOf(RULES);
    const guarded = openGuarded(RULES, { access: { identify: (shown) => rules.identify(shown) } });
    const a = guarded.as({ token: 'token-of-a' });
    await a.register();
    const watch = a.openWatch();
    const { epoch, revision } = await watch.next();
    const next = watch.next();
    rules = accessOf(`tokens: [{ name: a, sha256: ${sha256('token-of-a')}, read: [demo.v1.A] }]`);
    guarded.registry.endStreams();
    expect(await next).toBeUndefined();
    expect(await a.openWatch({ epoch, revision }).next()).toMatchObject({ snapshot: false, events: [] });
    expect(await codeOf(a.register({ instanceId: 'b' }))).toBe(Code.PermissionDenied);
  });

  it.each(['Basic dG9rZW4=', 'Bearer', 'Bearer a, Bearer b', 'Bearer a b', 'token-of-a'])(
    'takes no authorization of another form: %s',
    async (authorization) => {
      const { nobody } = open();
      expect(await codeOf(nobody.client.list({}, { headers: { authorization } }))).toBe(Code.Unauthenticated);
    },
  );

  it('knows one token that may do everything', async () => {
    const access = createTokenAccess('the-only-one');
    expect(access.identify({ authorization: 'Bearer the-only-one', certificate: undefined })).toMatchObject({
      name: 'operator',
      grants: { register: ['*'], read: ['*'], namespaces: ['*'] },
    });
    expect(access.identify({ authorization: undefined, certificate: undefined })).toBeUndefined();
    expect(() => access.identify({ authorization: 'Bearer the-only', certificate: undefined })).toThrow(
      /not the right/,
    );
    expect(() => createTokenAccess('')).toThrow(/lets everybody in/);
  });
});

describe('shares', () => {
  it('bound what one principal registers, not what others do', async () => {
    const { a, b } = open({ limits: { maxInstancesPerPrincipal: 2 } });
    await a.register({ instanceId: 'a1' });
    await a.register({ instanceId: 'a2' });
    expect(await codeOf(a.register({ instanceId: 'a3' }))).toBe(Code.ResourceExhausted);
    // What is there may be said anew.
    await a.register({ instanceId: 'a2', weight: 3 });
    await b.register({ instanceId: 'b1', services: ['demo.v1.B'] });
    const { leaseId } = await a.register({ instanceId: 'a1' });
    await a.client.deregister({ leaseId }, { headers: a.headers });
    await a.register({ instanceId: 'a3' });
  });

  it('bound what there is of one service, and of all', async () => {
    const { a, blue } = open({ limits: { maxInstancesPerService: 1, maxInstances: 3 } });
    await a.register();
    expect(await codeOf(a.register({ instanceId: 'a2' }))).toBe(Code.ResourceExhausted);
    // In another namespace it is another service.
    await blue.register({}, { namespace: 'blue' });
    await blue.register({ services: ['demo.v1.B'], instanceId: 'b' }, { namespace: 'blue' });
    const full = blue.register({ services: ['demo.v1.C'], instanceId: 'c' }, { namespace: 'blue' });
    await expect(full).rejects.toThrow(/the registry has 3 instances already/);
  });

  it('bound open streams', async () => {
    const { a, b, registry } = open({ limits: { maxStreamsPerPrincipal: 2, maxStreams: 3 } });
    const watches = [a.openWatch(), a.openWatch()];
    for (const watch of watches) await watch.next();
    expect(await codeOf(a.openWatch().next())).toBe(Code.ResourceExhausted);
    await b.openWatch().next();
    expect(await codeOf(b.openWatch().next())).toBe(Code.ResourceExhausted);
    watches[0]?.abort.abort();
    await expect.poll(() => registry.status().streams).toBe(2);
    await a.openWatch().next();
  });

  it('bound descriptors', async () => {
    const { a } = open({ limits: { maxSchemaBytesPerPrincipal: SCHEMA.length - 1 } });
    const refused = a.register({ schemaDigest: DIGEST }, { schema: SCHEMA });
    await expect(refused).rejects.toThrow(/its share of descriptors/);
  });

  it.each([true, false])('do not hold where everybody is the same (open: %s)', async (isOpen) => {
    const registry = createRegistry({
      clock: openGuarded(RULES).clock,
      access: isOpen ? undefined : createTokenAccess('the-only-one'),
      limits: { maxInstancesPerPrincipal: 1, maxStreamsPerPrincipal: 0, maxSchemaBytesPerPrincipal: 0 },
    });
    onClose(() => registry.close());
    const client = createClient(RegistryService, createRouterTransport(registry.routes));
    const caller = speakTo(client, { authorization: 'Bearer the-only-one' });
    await caller.register({ schemaDigest: DIGEST }, { schema: SCHEMA });
    await caller.register({ instanceId: 'b' });
    expect((await caller.openWatch().next()).events.length).toBe(2);
    expect(registry.status().isOpen).toBe(isOpen);
  });
});

describe('the audit', () => {
  it('tells every registration and why others were refused, in one line whatever stands in it', async () => {
    const { a, audit } = open();
    await a.register();
    const ugly = {
      instanceId: 'x\n{"principal":"root"}\u001b[2J',
      services: ['demo\u2028.v1\u202e.A\u009b', BASE.services[0] as string],
    };
    expect(await codeOf(a.register(ugly))).toBe(Code.InvalidArgument);
    const lines = audit.map(formatAuditLine);
    for (const line of lines) {
      expect(line).toMatch(/^[\x20-\x7e]+$/);
      expect(JSON.parse(line)).toMatchObject({ principal: 'token:a', address: '10.0.0.7', verb: 'register' });
    }
    expect(JSON.parse(lines[1] as string)).toMatchObject({ ...ugly, outcome: 'refused' });
    expect(JSON.parse(lines[0] as string)).toMatchObject({ outcome: 'allowed', time: '2023-11-14T22:13:20.000Z' });
  });

  it('shortens what is long', async () => {
    const { a, audit } = open();
    const services = Array.from({ length: 300 }, (_, n) => `${'x'.repeat(1_000)}${n}`);
    await codeOf(a.register({ instanceId: 'y'.repeat(10_000), services }));
    const line = formatAuditLine(audit[0] as AuditEvent);
    expect(line.length).toBeLessThan(4_000);
    expect((JSON.parse(line) as { services: string[] }).services.at(-1)).toBe('and 292 more');
  });

  it('cannot be made to fill a disk by who is refused', async () => {
    const { guesser, a, audit, clock, registry } = open();
    for (let n = 0; n < 250; n++) await codeOf(guesser.ids());
    await a.register();
    expect(audit.length).toBe(101);
    expect(audit.at(-1)).toMatchObject({ outcome: 'allowed', suppressed: 150 });
    clock.advance(1_000);
    await codeOf(guesser.ids());
    expect(audit.at(-1)).toMatchObject({ outcome: 'refused', suppressed: 0 });
    expect(registry.status().refusals).toBe(251);
  });
});

describe('where a registry may listen', () => {
  const access = () => accessOf(RULES);

  it.each(['127.0.0.1', '127.8.9.1', '::1', 'localhost'])('open on %s', (host) => {
    expect(() => requireGuarded({ host, access: undefined, allowOpen: false })).not.toThrow();
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'registry.example', '127.0.0.1.example', '1127.0.0.1', ''])(
    'on %j with rules only, or when told in words',
    (host) => {
      expect(() => requireGuarded({ host, access: undefined, allowOpen: false })).toThrow(
        /whoever registers gets calls/,
      );
      expect(() => requireGuarded({ host, access: access(), allowOpen: false })).not.toThrow();
      expect(() => requireGuarded({ host, access: undefined, allowOpen: true })).not.toThrow();
    },
  );
});

async function* noRequests(): AsyncGenerator<never> {}

async function* requests(leaseIds: string[]) {
  yield { leases: leaseIds.map((leaseId) => ({ leaseId })) };
}
