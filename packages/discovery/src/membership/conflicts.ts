import type { Endpoint } from '@bascule/core';
import type { Book } from './book.ts';
import type { Statement } from './statement.ts';
import { isHidden, spokenOf, type Weighed } from './weigh.ts';

/**
 * Counts where sources contradict each other, once per pair of sources for as long as they do: about what one address
 * is, or about where one instance is. What is doubted contradicts nobody.
 */
export function countConflicts(book: Book, { keys, addresses }: Weighed): number {
  let count = 0;
  for (const key of keys) {
    const identity = book.identities.get(key);
    // Nearly always there is one statement, which costs nothing here.
    if (identity === undefined || (identity.statements.size < 2 && identity.conflicts.size === 0)) continue;
    const spoken = isHidden(identity) ? [] : identity.statements;
    const pairs = pairsWith(identity.speaker, spoken, (a, b) => a.address !== b.address);
    count += newIn(pairs, identity.conflicts);
    identity.conflicts = pairs;
  }
  for (const address of addresses) {
    const site = book.sites.get(address);
    if (site === undefined || (site.statements.size < 2 && site.conflicts.size === 0)) continue;
    const pairs = pairsWith(site.member, spokenOf(book, site), (a, b) => differ(a.endpoint, b.endpoint));
    count += newIn(pairs, site.conflicts);
    site.conflicts = pairs;
  }
  return count;
}

function pairsWith(
  first: Statement | undefined,
  statements: Iterable<Statement>,
  contradict: (a: Statement, b: Statement) => boolean,
): ReadonlySet<string> {
  const pairs = new Set<string>();
  if (first === undefined || first.doubt !== undefined) return pairs;
  for (const other of statements) {
    if (other.origin === first.origin || other.doubt !== undefined || !contradict(first, other)) continue;
    pairs.add(JSON.stringify([first.origin.name, other.origin.name]));
  }
  return pairs;
}

function newIn(pairs: ReadonlySet<string>, before: ReadonlySet<string>): number {
  let count = 0;
  for (const pair of pairs) if (!before.has(pair)) count++;
  return count;
}

/**
 * Whether two descriptions of one address cannot both be right. Only what both say counts: a source that has no word for
 * zones or schemas contradicts nobody. Priority, labels, health and the names of instances are each source's own.
 */
function differ(a: Endpoint, b: Endpoint): boolean {
  return (
    a.protocol !== b.protocol ||
    a.weight !== b.weight ||
    contradict(a.zone, b.zone) ||
    contradict(a.schemaDigest, b.schemaDigest) ||
    contradict(a.moduleVersion, b.moduleVersion) ||
    contradict([...a.services].sort().join(), [...b.services].sort().join()) ||
    a.codecs.includes('json') !== b.codecs.includes('json')
  );
}

function contradict(a: string, b: string): boolean {
  return a !== '' && b !== '' && a !== b;
}
