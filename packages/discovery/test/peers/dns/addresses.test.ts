import type { Answer } from 'dns-packet';
import { describe, expect, it } from 'vitest';
import { a, soa, type Asked, type FakeDns, type Reply } from './fake-server.ts';
import { addresses, asks, everything, fake, follow, ids, isStaleWith, NAME, sees, tells, useFakeDns } from './rig.ts';

useFakeDns();

describe('addresses', () => {
  it('are asked for in both kinds, and carry the port of the URL', async () => {
    fake.answer(({ type }) => ({
      answers: type === 'A' ? [a(NAME, '10.0.0.1')] : [{ type: 'AAAA', name: NAME, ttl: 9, data: '2001:db8::1' }],
    }));
    const { seen } = follow();
    await sees(seen, '10.0.0.1:80', '2001:db8::1:80');
    expect(seen.set.get('2001:db8::1:80#1')).toMatchObject({ host: '2001:db8::1', port: 80, weight: 1, priority: 0 });
    expect(fake.asked.map(({ name, type }) => `${type} ${name}`).sort()).toEqual([`A ${NAME}`, `AAAA ${NAME}`]);
  });

  it('may be named in any case', async () => {
    fake.answer(({ type }) => (type === 'A' ? { answers: [a('PLACES.test', '10.0.0.1')] } : {}));
    await sees(follow('Places.TEST.:80').seen, '10.0.0.1:80');
  });

  it('are asked for again when their TTL is over, not sooner', async () => {
    fake.answer(addresses('10.0.0.1'));
    const { seen, clock, lastWaitMs } = follow();
    await sees(seen, '10.0.0.1:80');
    await expect.poll(lastWaitMs).toBeGreaterThanOrEqual(10_000);
    expect(lastWaitMs()).toBeLessThanOrEqual(11_000);
    clock.advance(9_999);
    await new Promise(setImmediate);
    expect(fake.asked.length).toBe(2);
    clock.advance(1_001);
    await asks(4);
  });

  it.each([
    [0, '', 1_000],
    [0, '?minTtlMs=100', 100],
    [2_147_483_648, '', 1_000],
    [86_400, '', 3_600_000],
    [86_400, '?maxTtlMs=5000', 5_000],
    [10, '?minTtlMs=60000&maxTtlMs=100', 60_000],
  ])('with a TTL of %i s (%s) hold for %i ms', async (ttl, query, expectedMs) => {
    fake.answer(({ type }) => (type === 'A' ? { answers: [a(NAME, '10.0.0.1', ttl)] } : {}));
    const { seen, lastWaitMs } = follow(`${NAME}:80${query}`);
    await sees(seen, '10.0.0.1:80');
    await expect.poll(lastWaitMs).toBeGreaterThanOrEqual(expectedMs);
    expect(lastWaitMs()).toBeLessThanOrEqual(expectedMs * 1.1);
  });

  it('that change replace each other, and who is missing is doubted first', async () => {
    fake.answer(addresses('10.0.0.1', '10.0.0.2'));
    const { seen, next } = follow();
    await next(0);
    fake.answer(addresses('10.0.0.2', '10.0.0.3'));
    await next(11_000);
    expect(ids(seen)).toEqual(['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80']);
    expect([...seen.doubted.keys()]).toEqual(['10.0.0.1:80#1']);
    await next(11_000);
    expect(ids(seen)).toEqual(['10.0.0.2:80', '10.0.0.3:80']);
    expect(seen.removals()).toEqual(['remove 10.0.0.1:80#1 not-in-source']);
  });

  it('of a thousand records come over TCP', async () => {
    const hosts = Array.from({ length: 1_000 }, (_, index) => `10.1.${index >> 8}.${index & 255}`);
    fake.answer((asked) =>
      asked.via === 'udp' && asked.type === 'A' ? { isTruncated: true } : addresses(...hosts)(asked),
    );
    const { seen } = follow();
    await expect.poll(() => seen.set.size).toBe(1_000);
    expect(fake.asked.filter(({ via }) => via === 'tcp')).toHaveLength(1);
  });

  it('that were truncated are not believed', async () => {
    fake.answer((asked) => {
      if (asked.type !== 'A') return {};
      if (asked.via === 'udp') return { isTruncated: true, answers: [a(NAME, '10.0.0.9')] };
      return addresses('10.0.0.1')(asked);
    });
    await sees(follow().seen, '10.0.0.1:80');
  });

  it('are asked for without EDNS where a server does not know it', async () => {
    fake.answer((asked) => (asked.hasEdns ? { code: 'FORMERR', question: 'none' } : addresses('10.0.0.1')(asked)));
    await sees(follow().seen, '10.0.0.1:80');
  });
});

describe('aliases', () => {
  const alias = (name: string, data: string, ttl = 10): Answer => ({ type: 'CNAME', name, ttl, data });

  it('are followed within an answer, and hold no longer than the shortest of them', async () => {
    fake.answer(({ type }) =>
      type === 'A'
        ? { answers: [a('end.test', '10.0.0.1', 60), alias('b.test', 'END.test', 7), alias(NAME, 'b.test', 60)] }
        : { authorities: [soa(60, 60)] },
    );
    const { seen, lastWaitMs } = follow();
    await sees(seen, '10.0.0.1:80');
    expect(lastWaitMs()).toBeLessThanOrEqual(7_700);
    expect(fake.asked).toHaveLength(2);
  });

  it('whose end is not in the answer are asked for', async () => {
    fake.answer(({ name, type }) => {
      if (name === NAME) return { answers: [alias(NAME, 'end.test')] };
      return type === 'A' ? { answers: [a('end.test', '10.0.0.1')] } : { authorities: [soa(5, 5)] };
    });
    await sees(follow().seen, '10.0.0.1:80');
  });

  it.each([
    ['lead in a circle', ({ name }: Asked): string => (name === NAME ? 'b.test' : NAME)],
    ['lead to themselves', (): string => NAME],
    ['go on for ever', ({ name }: Asked): string => `x${name}`],
  ])('that %s are given up', async (_, next) => {
    fake.answer((asked) => ({ answers: [alias(asked.name, next(asked))] }));
    await isStaleWith(follow().seen, 'its aliases lead in a circle, or further than 8');
    expect(fake.asked.length).toBeLessThan(25);
  });

  it('with an end that does not exist are nobody', async () => {
    fake.answer(() => ({ code: 'NXDOMAIN', answers: [alias(NAME, 'end.test')], authorities: [soa(5, 5)] }));
    const { seen } = follow();
    await expect.poll(() => seen.source.status().state).toBe('connected');
    expect(seen.set.size).toBe(0);
  });
});

describe('answers that are no answer', () => {
  const withKnown = async (what?: string) => {
    fake.answer(addresses('10.0.0.1', '10.0.0.2'));
    const followed = follow(what);
    await followed.next(0);
    expect(ids(followed.seen)).toEqual(['10.0.0.1:80', '10.0.0.2:80']);
    return followed;
  };

  it.each([
    ['SERVFAIL', 'SERVFAIL'],
    ['REFUSED', 'REFUSED'],
  ] as const)('(%s) are failures: the last good one is kept', async (code, words) => {
    const { seen, next } = await withKnown();
    fake.answer(everything({ code }));
    await next(11_000);
    await isStaleWith(seen, words);
    expect(seen.source.status().error).toContain(`127.0.0.1:${fake.port}`);
    expect([ids(seen).length, seen.doubted.size, seen.removals()]).toEqual([2, 0, []]);
    fake.answer(addresses('10.0.0.1', '10.0.0.2'));
    await next(20_000);
    await expect.poll(() => seen.source.status().state).toBe('connected');
    expect(seen.log).toHaveLength(2);
  });

  it('that refer to other servers are failures', async () => {
    const { seen, clock } = await withKnown();
    const authorities: Answer[] = [{ type: 'NS', name: 'test', ttl: 9, data: 'ns.test' }];
    fake.answer(everything({ isAuthority: false, authorities }));
    clock.advance(11_000);
    await isStaleWith(seen, 'it refers to other servers');
  });

  it('from a server that is silent end in time', async () => {
    const { seen, clock } = await withKnown();
    fake.answer(() => undefined);
    clock.advance(11_000);
    await asks(4);
    clock.advance(2_000);
    await asks(6);
    clock.advance(2_000);
    await isStaleWith(seen, 'no answer within 2000 ms');
    expect([ids(seen).length, seen.removals()]).toEqual([2, []]);
  });

  const stranger: Reply = { answers: [a(NAME, '6.6.6.6')] };
  it.each([
    ['another id', ({ id }: Asked): Reply => ({ ...stranger, id: (id + 1) & 0xffff })],
    ['another question', (): Reply => ({ ...stranger, question: { name: 'other.test', type: 'A' } })],
    ['no question', (): Reply => ({ ...stranger, question: 'none' })],
    ['bytes that are no packet', (): Buffer => Buffer.from('not a packet at all')],
    ['nothing in it', (): Buffer => Buffer.alloc(0)],
    ['a name that points at itself', ({ id }: Asked): Buffer => selfPointing(id)],
    ['counts beyond its end', ({ id }: Asked): Buffer => headerOnly(id, 65_535)],
    ['the bit of a query', ({ id }: Asked): Buffer => headerOnly(id, 0, 0x0100)],
  ])('with %s are not heard, and the true one still is', async (_, forge) => {
    fake.answer((asked) => [forge(asked), forge(asked), addresses('10.0.0.1')(asked)]);
    await sees(follow().seen, '10.0.0.1:80');
  });

  it('without end are given up', async () => {
    fake.answer((asked) => Array.from({ length: 150 }, () => headerOnly(asked.id ^ 1, 0)));
    await isStaleWith(follow().seen, 'what it answers is no answer');
  });

  it.each([
    ['garbage', (): Buffer => Buffer.from('garbage')],
    ['another id', ({ id }: Asked): Reply => ({ ...stranger, id: id ^ 1 })],
    ['truncated again', (): Reply => ({ isTruncated: true })],
  ])('over TCP that are %s are failures', async (_, forge) => {
    fake.answer((asked) => (asked.via === 'udp' ? { isTruncated: true } : forge(asked)));
    await isStaleWith(follow().seen, 'what it answers is no answer');
  });

  it('over TCP that end too soon are failures', async () => {
    fake.answer((asked) => (asked.via === 'udp' ? { isTruncated: true } : []));
    await isStaleWith(follow().seen, 'it closed the connection');
  });

  it('of one kind cost nothing of the other', async () => {
    const both = ({ type }: Asked): Reply => ({
      answers: type === 'A' ? [a(NAME, '10.0.0.1')] : [{ type: 'AAAA', name: NAME, ttl: 9, data: '2001:db8::1' }],
    });
    fake.answer(both);
    const { seen, next, lastWaitMs } = follow();
    await next(0);
    expect(ids(seen)).toEqual(['10.0.0.1:80', '2001:db8::1:80']);
    fake.answer((asked) => (asked.type === 'A' ? { answers: [a(NAME, '10.0.0.2', 100)] } : { code: 'SERVFAIL' }));
    await next(11_000);
    expect(ids(seen)).toEqual(['10.0.0.1:80', '10.0.0.2:80', '2001:db8::1:80']);
    expect([...seen.doubted.keys()]).toEqual(['10.0.0.1:80#1']);
    expect(seen.warnings).toEqual([`AAAA of ${NAME}: 127.0.0.1:${fake.port}: SERVFAIL`]);
    expect(seen.source.status().state).toBe('connected');
    expect(lastWaitMs()).toBeLessThanOrEqual(11_000);
    for (let times = 0; times < 5; times++) await next(11_000);
    await sees(seen, '10.0.0.2:80', '2001:db8::1:80');
    fake.answer((asked) => (asked.type === 'A' ? { answers: [a(NAME, '10.0.0.2')] } : { authorities: [soa(5, 5)] }));
    await next(11_000);
    await tells(seen, '10.0.0.2:80');
  });
});

describe('a name', () => {
  it('with records of other types only is doubted, and never empties the set', async () => {
    fake.answer(addresses('10.0.0.1'));
    const { seen, next } = follow(`${NAME}:80?graceMs=1000`);
    await next(0);
    fake.answer(everything({ authorities: [soa(5, 5)] }));
    for (let times = 0; times < 10; times++) await next(11_000);
    expect(seen.told()).toEqual([]);
    expect([ids(seen), seen.removals()]).toEqual([['10.0.0.1:80'], []]);
  });

  it('that does not exist is nobody, after the grace', async () => {
    fake.answer(addresses('10.0.0.1', '10.0.0.2'));
    const { seen, next, lastWaitMs } = follow();
    await next(0);
    fake.answer(everything({ code: 'NXDOMAIN', authorities: [soa(600, 300)] }));
    await next(11_000);
    expect(seen.told()).toEqual([]);
    // Half of the grace, since a TTL beyond it would prolong it.
    expect(lastWaitMs()).toBeLessThanOrEqual(16_500);
    await next(16_500);
    expect([ids(seen).length, seen.removals()]).toEqual([2, []]);
    await next(16_500);
    expect(seen.removals()).toEqual(['remove 10.0.0.1:80#1 not-in-source', 'remove 10.0.0.2:80#1 not-in-source']);
    expect(lastWaitMs()).toBeGreaterThanOrEqual(300_000);
  });

  it.each([
    ['an answer', addresses('10.0.0.1')],
    ['one without data', everything({ authorities: [soa(5, 5)] })],
    ['a failure', everything({ code: 'SERVFAIL' })],
  ])('gets the whole grace again after %s in between', async (_, between) => {
    fake.answer(addresses('10.0.0.1'));
    const { seen, next } = follow(`${NAME}:80?graceMs=20000`);
    await next(0);
    const hear = async (how: Parameters<FakeDns['answer']>[0], times: number): Promise<void> => {
      fake.answer(how);
      for (let count = 0; count < times; count++) await next(11_000);
    };
    const nobody = everything({ code: 'NXDOMAIN', authorities: [soa(600, 600)] });
    await hear(nobody, 2);
    expect(seen.told()).toEqual([]);
    await hear(between, 1);
    await hear(nobody, 2);
    expect([ids(seen), seen.removals()]).toEqual([['10.0.0.1:80'], []]);
    await hear(nobody, 1);
    expect(ids(seen)).toEqual([]);
  });
});

/** An answer that says so many records are in it, and ends. */
function headerOnly(id: number, answers: number, flags = 0x8180): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(flags, 2);
  bytes.writeUInt16BE(answers, 6);
  return bytes;
}

function selfPointing(id: number): Buffer {
  return Buffer.concat([headerOnly(id, 1), Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 6, 6, 6, 6])]);
}
