import type { Change, Clock, Endpoint, RemovalCause } from '@bascule/core';
import type { Book, Removal, Site } from './book.ts';
import type { MemberRecord, Verdict } from './membership.ts';
import { toRecord } from './record.ts';
import type { RemovalLog } from './removal-log.ts';
import type { Statement } from './statement.ts';

/** Who is there, as last told, with what checks have found. */
export interface Roster {
  /** What weighing these keys has changed: what comes before what leaves. */
  update(keys: Iterable<string>): { readonly changes: Change[]; readonly keys: string[] };
  /** Returns the address that is to be weighed again, undefined for a key that is not there. */
  setVerdict(key: string, verdict: Verdict): string | undefined;
  isFailing(site: Site): boolean;
  record(key: string): MemberRecord | undefined;
  records(): MemberRecord[];
}

interface Member {
  record: MemberRecord;
  address: string;
  /** Of this address: what a check has found elsewhere says nothing. */
  verdict: Verdict;
}

const UNKNOWN: Verdict = { verdict: 'unknown' };

/** Nobody. */
export function createRoster({ book, log, clock }: { book: Book; log: RemovalLog; clock: Clock }): Roster {
  const members = new Map<string, Member>();

  /** The statement that makes a key a member. */
  function memberOf(key: string): { site: Site; statement: Statement } | undefined {
    const statement = book.identities.get(key)?.speaker;
    const site = statement === undefined ? undefined : book.sites.get(statement.address);
    return site === undefined || site.member !== statement || statement === undefined ? undefined : { site, statement };
  }

  function keep(key: string, site: Site, statement: Statement): Change | 'news' | undefined {
    const known = members.get(key);
    const verdict = known?.address === site.address ? known.verdict : UNKNOWN;
    const before = known?.record;
    const record = toRecord({ book, site, member: statement, verdict, before, nowMs: clock.wallMs() });
    members.set(key, { record, address: site.address, verdict });
    if (before === undefined) return { type: 'insert', endpoint: record.endpoint };
    if (record.endpoint !== before.endpoint) return { type: 'update', endpoint: record.endpoint };
    return record === before ? undefined : 'news';
  }

  function remove(key: string, { record }: Member): Change {
    members.delete(key);
    const { cause, source } = removalOf(record);
    log.add({ endpoint: record.endpoint, source, cause, atMs: clock.wallMs() });
    return { type: 'remove', key, cause };
  }

  /** Who is still spoken of has lost its address to another. */
  function removalOf({ key, endpoint }: MemberRecord): Removal {
    const speaker = book.identities.get(key)?.speaker;
    const successor = speaker === undefined ? undefined : book.sites.get(speaker.address)?.member;
    if (successor !== undefined) {
      return { cause: causeOfTaking(endpoint, successor.endpoint), source: successor.origin.name };
    }
    return book.removals.get(key) ?? { cause: 'not-in-source', source: '' };
  }

  return {
    update(weighed) {
      const changes: Change[] = [];
      const leaving: [string, Member][] = [];
      const keys: string[] = [];
      for (const key of weighed) {
        const present = memberOf(key);
        const known = members.get(key);
        if (present !== undefined) {
          const change = keep(key, present.site, present.statement);
          if (change !== undefined) keys.push(key);
          if (change !== undefined && change !== 'news') changes.push(change);
        } else if (known !== undefined) {
          leaving.push([key, known]);
          keys.push(key);
        }
      }
      for (const [key, member] of leaving) changes.push(remove(key, member));
      return { changes, keys };
    },
    setVerdict(key, verdict) {
      const member = members.get(key);
      if (member === undefined) return undefined;
      member.verdict = verdict;
      return member.address;
    },
    isFailing({ member, address }) {
      const known = member === undefined ? undefined : members.get(member.key);
      return known?.address === address && known.verdict.verdict === 'failing';
    },
    record: (key) => members.get(key)?.record,
    records: () => [...members.values()].map(({ record }) => record),
  };
}

function causeOfTaking(before: Endpoint, after: Endpoint): RemovalCause {
  const isNewer = after.instanceId === before.instanceId || after.incarnation > before.incarnation;
  return isNewer ? 'replaced' : 'same-address';
}
