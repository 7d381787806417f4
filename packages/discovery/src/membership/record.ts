import { isDeepStrictEqual } from 'node:util';
import type { Endpoint, EndpointHealth } from '@bascule/core';
import type { Book, Site } from './book.ts';
import type { MemberRecord, Verdict } from './membership.ts';
import { compareStatements, type Statement } from './statement.ts';
import { spokenOf } from './weigh.ts';

/** Room that each rank leaves for the priorities of its own endpoints. */
const RANK_STEP = 65_536;

/** Says what is known of the member of a site. Returns `before` itself when that is the same. */
export function toRecord(options: {
  readonly book: Book;
  readonly site: Site;
  readonly member: Statement;
  readonly verdict: Verdict;
  readonly before: MemberRecord | undefined;
  readonly nowMs: number;
}): MemberRecord {
  const { member, verdict, before, nowMs } = options;
  const statements = [...spokenOf(options.book, options.site)].sort(compareStatements);
  const doubters = statements.filter(({ doubt }) => doubt !== undefined);
  const presence = doubters.length === statements.length ? 'doubted' : 'told';
  const health = worseOf(member.endpoint.health ?? 'healthy', healthBy(verdict));
  const endpoint = toEffective(member, health, before);
  const sources = [...new Set(statements.map(({ origin }) => origin.name))];
  const causes = presence === 'doubted' ? doubters.map(({ origin, doubt }) => `${origin.name}: ${doubt}`) : [];
  if (health !== 'healthy') causes.push(whyNotHealthy(member, verdict));
  const cause = causes.join('; ');

  const isPending = verdict.verdict === 'pending' && member.endpoint.health !== 'failing';
  const isSame =
    presence === before?.presence && health === (before.endpoint.health ?? 'healthy') && isPending === before.isPending;
  const isSaidSame = endpoint === before?.endpoint && member.endpoint.health === before.said.health;
  if (isSame && isSaidSame && cause === before.cause && isDeepStrictEqual(sources, before.sources)) return before;
  const sinceMs = isSame ? before.sinceMs : nowMs;
  return { key: member.key, endpoint, said: member.endpoint, sources, presence, cause, isPending, sinceMs };
}

/** The statement's endpoint with the health and the priority that it has here; `before`'s when nothing has changed. */
function toEffective({ endpoint, origin }: Statement, health: EndpointHealth, before?: MemberRecord): Endpoint {
  const priority = endpoint.priority + origin.rank * RANK_STEP;
  const known = before?.endpoint;
  const isKnown = known !== undefined && priority === known.priority && health === (known.health ?? 'healthy');
  if (isKnown && before?.said === endpoint) return known;
  const { health: _, ...rest } = endpoint;
  const effective: Endpoint = { ...rest, priority, ...(health !== 'healthy' && { health }) };
  return isKnown && isDeepStrictEqual(effective, known) ? known : effective;
}

function healthBy(verdict: Verdict): EndpointHealth {
  return 'why' in verdict ? 'failing' : 'healthy';
}

const SEVERITY: Readonly<Record<EndpointHealth, number>> = { healthy: 0, draining: 1, failing: 2 };

function worseOf(a: EndpointHealth, b: EndpointHealth): EndpointHealth {
  return SEVERITY[a] >= SEVERITY[b] ? a : b;
}

function whyNotHealthy({ endpoint, origin }: Statement, verdict: Verdict): string {
  return 'why' in verdict ? verdict.why : `${origin.name} says that it is ${endpoint.health}`;
}
