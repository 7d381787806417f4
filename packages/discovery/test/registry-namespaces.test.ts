import { Code } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { codeOf, openRegistry, openWatch, say } from './registry-rig.ts';
import { closeAll } from './rig.ts';

afterEach(closeAll);

describe('a namespace', () => {
  it('keeps its instances to itself; an id may be in several', async () => {
    const { client, register, ids } = openRegistry();
    const first = await register();
    const second = await register({}, { namespace: 'blue' });
    expect(second.leaseId).not.toBe(first.leaseId);
    expect([await ids(), await ids('default'), await ids('blue'), await ids('green')]).toEqual([
      ['a#5'],
      ['a#5'],
      ['a#5'],
      [],
    ]);
    await client.deregister({ leaseId: second.leaseId });
    expect([await ids(), await ids('blue')]).toEqual([['a#5'], []]);
    // Its own fence: what left one namespace says nothing of the others.
    await register({ incarnation: 4n }, { namespace: 'green' });
    expect(await codeOf(register({ incarnation: 4n }, { namespace: 'blue' }))).toBe(Code.FailedPrecondition);
  });

  it('tells its own watchers only', async () => {
    const { client, register } = openRegistry();
    const [blue, rest] = [openWatch(client, { namespace: 'blue' }), openWatch(client)];
    expect([(await blue.next()).events, (await rest.next()).events]).toEqual([[], []]);
    await register({ instanceId: 'b' }, { namespace: 'blue' });
    await register();
    expect((await blue.next()).events.map(say)).toEqual(['put b#5']);
    expect((await rest.next()).events.map(say)).toEqual(['put a#5']);
  });

  it.each(['Blue', 'a/b', '../x', '-a', 'a'.repeat(64), '__proto__', 'a b', 'blu\u00e9', 'a\n'])(
    'has a plain name: not %j',
    async (namespace) => {
      const { client, register } = openRegistry();
      expect(await codeOf(register({}, { namespace }))).toBe(Code.InvalidArgument);
      expect(await codeOf(client.list({ namespace }))).toBe(Code.InvalidArgument);
      expect(await codeOf(openWatch(client, { namespace }).next())).toBe(Code.InvalidArgument);
    },
  );

  it('is there while somebody is in it, and there are only so many', async () => {
    const { client, register, registry } = openRegistry({ limits: { maxNamespaces: 2 } });
    const { leaseId } = await register({}, { namespace: 'one' });
    const watch = openWatch(client, { namespace: 'two' });
    await watch.next();
    expect(registry.status().namespaces).toBe(2);
    expect(await codeOf(register({}, { namespace: 'three' }))).toBe(Code.ResourceExhausted);
    // Looking takes no place.
    expect((await client.list({ namespace: 'three' })).endpoints).toEqual([]);
    await client.deregister({ leaseId });
    await register({}, { namespace: 'three' });
    expect(await codeOf(openWatch(client, { namespace: 'four' }).next())).toBe(Code.ResourceExhausted);
    watch.abort.abort();
    await expect.poll(() => registry.status().namespaces).toBe(1);
    expect(registry.status().streams).toBe(0);
  });

  it('that was empty in between tells who comes back all of it', async () => {
    const { client, register, registry } = openRegistry();
    const { leaseId } = await register({ instanceId: 'gone' }, { namespace: 'blue' });
    const watch = openWatch(client, { namespace: 'blue' });
    const { epoch, revision } = await watch.next();
    watch.abort.abort();
    await expect.poll(() => registry.status().streams).toBe(0);
    await client.deregister({ leaseId });
    expect(registry.status().namespaces).toBe(0);
    await register({ instanceId: 'new' }, { namespace: 'blue' });
    const seen = await openWatch(client, { namespace: 'blue', epoch, revision }).next();
    expect([seen.snapshot, seen.epoch, seen.events.map(say)]).toEqual([true, epoch, ['put new#5']]);
  });
});
