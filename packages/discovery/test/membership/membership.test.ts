import { describe, expect, it } from 'vitest';
import { createEndpoint } from '../rig.ts';
import { createRig } from './rig.ts';

const at = (instanceId: string, host: string, more: Parameters<typeof createEndpoint>[0] = {}) =>
  createEndpoint({ instanceId, host, ...more });

describe('the rule of absence and failure', () => {
  const refused = { verdict: 'failing', why: 'connection refused' } as const;

  it('routes to who is told and well', () => {
    const { join, membership, log } = createRig();
    join('consul').tell(at('a', 'x'));
    membership.report('a#1', { verdict: 'passing' });
    expect(log()).toEqual(['insert a#1']);
    expect(membership.member('a#1')).toMatchObject({ presence: 'told', cause: '', sources: ['consul'] });
    expect(membership.member('a#1')?.endpoint).not.toHaveProperty('health');
  });

  it('keeps who is told and failing, as failing', () => {
    const { join, membership, log } = createRig();
    join('consul').tell(at('a', 'x'));
    membership.report('a#1', refused);
    expect(log()).toEqual(['insert a#1', 'update a#1 failing']);
    expect(membership.member('a#1')).toMatchObject({ presence: 'told', cause: 'connection refused' });
    membership.report('a#1', { verdict: 'passing' });
    expect(log()).toEqual(['update a#1']);
  });

  it('keeps routing to who is doubted and well, or not checked', () => {
    const { join, membership, log } = createRig();
    const source = join('consul');
    source.connect();
    source.tell(at('a', 'x'));
    source.doubt('a#1');
    membership.report('a#1', { verdict: 'passing' });
    expect(log()).toEqual(['insert a#1']);
    expect(membership.member('a#1')).toMatchObject({ presence: 'doubted', cause: 'consul: missing' });
  });

  it.each(['doubt first', 'failing first'])('drops who is doubted and failing, also the last one: %s', (order) => {
    const { join, membership, log, clock } = createRig();
    const source = join('consul');
    source.connect();
    source.tell(at('a', 'x'));
    const acts = [() => source.doubt('a#1'), () => membership.report('a#1', refused)];
    for (const act of order === 'doubt first' ? acts : acts.toReversed()) act();
    expect(log().at(-1)).toBe('remove a#1 absent-and-failing');
    expect(membership.removals()).toMatchObject([
      { cause: 'absent-and-failing', source: 'consul', atMs: clock.wallMs(), endpoint: { instanceId: 'a' } },
    ]);
  });

  it('drops nobody for a source that is lost, until it is back and still misses them', () => {
    const { join, membership, keys, log } = createRig();
    const source = join('consul');
    source.connect();
    source.tell(at('a', 'x'), at('b', 'y'));
    source.lose();
    source.doubt('a#1', 'b#1');
    membership.report('a#1', refused);
    expect(keys()).toEqual(['a#1', 'b#1']);
    expect(membership.member('a#1')).toMatchObject({ cause: 'consul: missing; connection refused' });
    source.connect();
    expect(keys()).toEqual(['b#1']);
    expect(log().at(-1)).toBe('remove a#1 absent-and-failing');
  });

  it('drops nobody whom another source tells', () => {
    const { join, membership, keys } = createRig();
    const [consul, dns] = [join('consul'), join('dns', { rank: 1 })];
    consul.connect();
    dns.connect();
    consul.tell(at('a', 'x'));
    dns.tell(at('10.0.0.1', 'x'));
    consul.doubt('a#1');
    membership.report('a#1', refused);
    expect(membership.member('a#1')).toMatchObject({ presence: 'told', sources: ['consul', 'dns'] });
    dns.doubt('10.0.0.1#1');
    expect(keys()).toEqual([]);
  });

  it.each(['pending', 'overloaded'] as const)('does not take %s for a sign of absence', (verdict) => {
    const { join, membership } = createRig();
    const source = join('consul');
    source.connect();
    source.tell(at('a', 'x'));
    source.doubt('a#1');
    membership.report('a#1', { verdict, why: 'so it is' });
    expect(membership.member('a#1')?.endpoint.health).toBe('failing');
  });

  it('takes back who is told again', () => {
    const { join, membership, log } = createRig();
    const source = join('consul');
    source.connect();
    source.tell(at('a', 'x'));
    source.doubt('a#1');
    membership.report('a#1', refused);
    log();
    source.update(at('a', 'x'));
    expect(log()).toEqual(['insert a#1']);
  });
});

describe('a limit of absence', () => {
  it('ends who is alive but not told, once all of its sources were there for so long', () => {
    const { join, clock, log, membership } = createRig({ absentLimitMs: 1_000 });
    const [one, two] = [join('one'), join('two')];
    one.connect();
    two.connect();
    one.tell(at('a', 'x'));
    two.tell(at('a', 'x'));
    one.doubt('a#1');
    clock.advance(5_000);
    two.doubt('a#1');
    clock.advance(999);
    two.lose();
    clock.advance(5_000);
    two.connect();
    clock.advance(999);
    expect(log()).toEqual(['insert a#1']);
    clock.advance(1);
    expect(log()).toEqual(['remove a#1 absent-too-long']);
    expect(clock.pending()).toBe(0);
    membership.close();
  });
});

describe('one address', () => {
  it.each([
    ['places.example', 'Places.EXAMPLE'],
    ['::1', '0:0:0:0:0:0:0:1'],
    ['2001:db8::a', '2001:DB8:0::000A'],
    // No address of anybody, and no reason to fall over.
    ['fe80::1%eth0', 'FE80::1%ETH0'],
  ])('is one endpoint, however it is written: %s, %s', (host, other) => {
    const { join, keys } = createRig();
    join('consul').tell(at('a', host));
    join('dns').tell(at('b', other));
    expect(keys()).toEqual(['a#1']);
  });

  it('is one endpoint, as the first in rank describes it', () => {
    const { join, membership, log } = createRig();
    const second = join('dns', { rank: 1 });
    second.tell(at('10.0.0.1', 'Host.Example', { weight: 5, priority: 2 }));
    expect(membership.members()[0]?.endpoint.priority).toBe(65_538);
    const first = join('consul');
    first.tell(at('a', 'host.example', { weight: 7 }));
    expect(log()).toEqual(['insert 10.0.0.1#1', 'insert a#1', 'remove 10.0.0.1#1 same-address']);
    expect(membership.members()).toMatchObject([
      { key: 'a#1', sources: ['consul', 'dns'], endpoint: { weight: 7, priority: 0 } },
    ]);
    expect(membership.counters().conflicts).toBe(1);
    first.update(at('a', 'host.example', { weight: 8 }));
    expect(membership.counters().conflicts).toBe(1);
    expect(membership.sources()).toMatchObject([
      { name: 'dns', rank: 1, endpoints: 1 },
      { name: 'consul', rank: 0, endpoints: 1 },
    ]);
    first.remove('a#1', 'deregistered');
    expect(log()).toEqual(['update a#1', 'insert 10.0.0.1#1', 'remove a#1 deregistered']);
  });

  it('goes from an older start of an instance to the newer one without a gap', () => {
    const { join, log } = createRig();
    const [one, two] = [join('one'), join('two')];
    one.tell(at('a', 'x'));
    two.tell(at('a', 'x', { incarnation: 2 }));
    expect(log()).toEqual(['insert a#1', 'insert a#2', 'remove a#1 replaced']);
  });

  it('says nothing of who is told twice in the same words', () => {
    const { join, log, news, membership } = createRig();
    join('one').tell(at('a', 'x'));
    join('two').tell(at('a', 'x'));
    expect(log()).toEqual(['insert a#1']);
    expect(news.at(-1)).toEqual(['a#1']);
    expect(membership.counters().conflicts).toBe(0);
  });

  it('is asked about anew when an instance moves: a check of the old one says nothing', () => {
    const { join, membership, log } = createRig();
    const source = join('consul');
    source.connect();
    source.tell(at('a', 'x'));
    membership.report('a#1', { verdict: 'failing', why: 'refused' });
    source.update(at('a', 'y'));
    expect(log()).toEqual(['insert a#1', 'update a#1 failing', 'update a#1']);
  });

  it('is not shared by module versions, which have none', () => {
    const { join, keys } = createRig();
    join('modules').tell(at('m@1', '', { protocol: 'port', port: 0 }), at('m@2', '', { protocol: 'port', port: 0 }));
    expect(keys()).toEqual(['m@1#1', 'm@2#1']);
  });
});

describe('one instance', () => {
  it('stands at one address, where the first in rank says', () => {
    const { join, log, membership } = createRig();
    const [one, two] = [join('one'), join('two', { rank: 1 })];
    two.tell(at('a', 'y'));
    one.tell(at('a', 'x'));
    expect(log()).toEqual(['insert a#1', 'update a#1']);
    expect(membership.member('a#1')?.endpoint.host).toBe('x');
    expect(membership.counters().conflicts).toBe(1);
    one.remove('a#1', 'lease-expired');
    expect(log()).toEqual(['update a#1']);
    expect(membership.member('a#1')?.endpoint.host).toBe('y');
  });
});

describe('an explicit removal', () => {
  it.each(['deregistered', 'replaced', 'retired'] as const)('%s holds for all who have not heard yet', (cause) => {
    const { join, log, keys, membership } = createRig();
    const [one, two] = [join('one'), join('two')];
    one.tell(at('a', 'x'));
    two.tell(at('a', 'x'));
    one.remove('a#1', cause);
    expect(log()).toEqual(['insert a#1', `remove a#1 ${cause}`]);
    expect(membership.known()).toEqual(
      new Map([
        ['one', []],
        ['two', []],
      ]),
    );
    two.update(at('a', 'x', { weight: 3 }));
    expect(keys()).toEqual([]);
    two.remove('a#1', 'lease-expired');
    two.tell(at('a', 'x'));
    expect(keys()).toEqual(['a#1']);
  });

  it('is over when the source that told it tells the endpoint again, or goes', () => {
    const { join, keys } = createRig();
    const [one, two] = [join('one'), join('two')];
    for (const source of [one, two]) source.tell(at('a', 'x'));
    one.remove('a#1', 'deregistered');
    one.tell(at('a', 'x'));
    expect(keys()).toEqual(['a#1']);
    one.remove('a#1', 'deregistered');
    expect(keys()).toEqual([]);
    one.leave();
    expect(keys()).toEqual(['a#1']);
  });

  it.each(['lease-expired', 'not-in-source'] as const)('%s holds for its own source only', (cause) => {
    const { join, log } = createRig();
    const [one, two] = [join('one'), join('two')];
    for (const source of [one, two]) source.tell(at('a', 'x'));
    one.remove('a#1', cause);
    expect(log()).toEqual(['insert a#1']);
    two.remove('a#1', cause);
    expect(log()).toEqual([`remove a#1 ${cause}`]);
  });

  it('is remembered for the last hundred', () => {
    const { join, membership } = createRig();
    const source = join('one');
    for (let n = 0; n < 150; n++) {
      source.tell(at(`i${n}`, 'x'));
      source.remove(`i${n}#1`, 'deregistered');
    }
    const ids = membership.removals().map(({ endpoint }) => endpoint.instanceId);
    expect(ids).toEqual(Array.from({ length: 100 }, (_, n) => `i${149 - n}`));
    expect(membership.counters().removals).toEqual(new Map([['deregistered', 150]]));
  });
});

describe('a last known set', () => {
  it('serves while its source does not answer, and gives way to what it tells', () => {
    const { join, log, membership, keys } = createRig();
    const source = join('consul', { known: [at('a', 'x'), at('b', 'y'), at('c', 'z')] });
    expect(log()).toEqual(['insert a#1', 'insert b#1', 'insert c#1']);
    source.lose();
    membership.report('b#1', { verdict: 'failing', why: 'refused' });
    expect(membership.member('b#1')).toMatchObject({
      presence: 'doubted',
      cause: 'consul: known from before, and not told yet; refused',
    });
    log();
    source.tell(at('a', 'x'), at('c', 'z', { incarnation: 2 }));
    expect(log()).toEqual(['insert c#2', 'remove c#1 replaced']);
    source.connect();
    expect(log()).toEqual(['remove b#1 absent-and-failing']);
    source.remove('c#2', 'deregistered');
    expect(keys()).toEqual(['a#1']);
  });

  it('is what sources say, without what checks found', () => {
    const { join, membership } = createRig();
    const source = join('consul', { rank: 2 });
    source.tell(at('a', 'x'), at('b', 'y', { health: 'draining' }));
    membership.report('a#1', { verdict: 'failing', why: 'refused' });
    expect(membership.known().get('consul')).toEqual([at('a', 'x'), at('b', 'y', { health: 'draining' })]);
  });
});

describe('a record', () => {
  it('says since when presence and health are as they are', () => {
    const { join, membership, clock } = createRig();
    const source = join('consul');
    const sinceMs = () => membership.member('a#1')?.sinceMs;
    source.tell(at('a', 'x'));
    const bornMs = clock.wallMs();
    clock.advance(10);
    source.update(at('a', 'x', { weight: 4 }));
    membership.report('a#1', { verdict: 'passing' });
    expect(sinceMs()).toBe(bornMs);
    membership.report('a#1', { verdict: 'failing', why: 'refused' });
    expect(sinceMs()).toBe(bornMs + 10);
    clock.advance(10);
    membership.report('a#1', { verdict: 'failing', why: 'timeout' });
    expect(membership.member('a#1')).toMatchObject({ cause: 'timeout', sinceMs: bornMs + 10 });
    source.doubt('a#1');
    expect(sinceMs()).toBe(bornMs + 20);
  });

  it('says the worse of what its source says and what a check finds', () => {
    const { join, membership } = createRig();
    const source = join('consul');
    const state = () => [membership.member('a#1')?.endpoint.health, membership.member('a#1')?.cause];
    source.tell(at('a', 'x', { health: 'draining' }));
    expect(state()).toEqual(['draining', 'consul says that it is draining']);
    membership.report('a#1', { verdict: 'failing', why: 'refused' });
    expect(state()).toEqual(['failing', 'refused']);
    source.update(at('a', 'x'));
    expect(membership.member('a#1')?.said).not.toHaveProperty('health');
    membership.report('a#1', { verdict: 'unknown' });
    expect(state()).toEqual([undefined, '']);
    source.update(at('a', 'x', { health: 'failing' }));
    membership.report('a#1', { verdict: 'passing' });
    expect(state()).toEqual(['failing', 'consul says that it is failing']);
  });
});

describe('a source', () => {
  it('takes with it what only it told', () => {
    const { join, log, keys } = createRig();
    const [one, two] = [join('one'), join('two')];
    one.tell(at('a', 'x'), at('b', 'y'));
    two.tell(at('b', 'y'));
    log();
    one.leave();
    expect(log()).toEqual(['remove a#1 source-gone']);
    one.tell(at('c', 'z'));
    expect(keys()).toEqual(['b#1']);
  });

  it('may take the place of one of its name, and of what both know nothing leaves', () => {
    const { join, log, membership, keys } = createRig();
    const one = join('one');
    one.connect();
    one.tell(at('a', 'x'), at('b', 'y'));
    membership.report('a#1', { verdict: 'failing', why: 'refused' });
    log();
    const two = join('one', { rank: 1, known: membership.known().get('one') ?? [] });
    expect(membership.sources().map(({ name, status }) => `${name} ${status.state}`)).toEqual([
      'one connected',
      'one connecting',
    ]);
    expect(log()).toEqual([]);
    one.leave();
    expect(log()).toEqual(['update a#1 failing', 'update b#1']);
    expect(membership.member('a#1')).toMatchObject({ presence: 'doubted', endpoint: { priority: 65_536 } });
    two.tell(at('b', 'y'), at('c', 'z'));
    expect(keys()).toEqual(['a#1', 'b#1', 'c#1']);
    expect(membership.known().get('one')).toHaveLength(3);
  });

  it('is heard with its standing and its warnings', () => {
    const heard: unknown[] = [];
    const { join, membership, news } = createRig();
    const source = join('one', { onStatus: ({ state }) => heard.push(state), onWarning: (text) => heard.push(text) });
    expect(membership.sources()).toMatchObject([{ status: { state: 'connecting' } }]);
    news.length = 0;
    source.connect();
    expect(news).toEqual([[]]);
    source.listener.warning('odd');
    source.leave();
    source.listener.warning('later');
    expect(heard).toEqual(['connected', 'odd']);
  });

  it('may speak from inside a callback, and is heard after it', () => {
    const order: string[] = [];
    const rig = createRig({
      onChange(changes) {
        order.push(`begin ${changes.length}`);
        if (changes[0]?.type === 'insert') rig.membership.report('a#1', { verdict: 'failing', why: 'refused' });
        order.push('end');
      },
      onNews: (keys) => void order.push(`news ${keys.join()}`),
    });
    rig.join('one').tell(at('a', 'x'));
    expect(order.slice(-6)).toEqual(['begin 1', 'end', 'news a#1', 'begin 1', 'end', 'news a#1']);
  });
});

describe('descriptors', () => {
  const schema = new Uint8Array([1]);
  const named = { schemaDigest: 'sha256:1' };

  it('are there for as long as an endpoint names them', () => {
    const { join, membership, news } = createRig();
    const source = join('one');
    source.listener.schema('sha256:1', schema);
    expect(membership.schemas().size).toBe(0);
    source.tell(at('a', 'x', named), at('b', 'y', named));
    news.length = 0;
    source.listener.schema('sha256:1', schema);
    expect(news).toEqual([[]]);
    expect(membership.schema('sha256:1')).toBe(schema);
    source.remove('a#1', 'deregistered');
    source.update(at('b', 'y', { ...named, weight: 3 }));
    expect(membership.schemas()).toEqual(new Map([['sha256:1', schema]]));
    source.update(at('b', 'y'));
    expect(membership.schemas().size).toBe(0);
  });

  it('outlive a restart that names them again in the same batch', () => {
    const { join, membership } = createRig();
    const source = join('one');
    source.tell(at('a', 'x', named));
    source.listener.schema('sha256:1', schema);
    source.listener.changes([
      { type: 'remove', key: 'a#1', cause: 'replaced' },
      { type: 'insert', endpoint: at('a', 'x', { ...named, incarnation: 2 }) },
    ]);
    expect(membership.schema('sha256:1')).toBe(schema);
  });

  it('are asked for where they may be, since a source tells them once', () => {
    const { join, membership } = createRig();
    const known = [at('a', 'x', named)];
    join('one', { known, schemas: new Map([['sha256:1', schema]]) });
    expect(membership.schema('sha256:1')).toBe(schema);
    const later = new Uint8Array([2]);
    join('two', { schemaFor: (digest) => (digest === 'sha256:2' ? later : undefined) }).tell(
      at('b', 'y', { schemaDigest: 'sha256:2' }),
    );
    expect(membership.schema('sha256:2')).toBe(later);
  });
});
