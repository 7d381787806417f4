import type { Book, Identity, Removal, Site } from './book.ts';
import { bestOf, type Statement } from './statement.ts';

/** What weighing has looked at. */
export interface Weighed {
  /** Keys that came, left, or are described in another way, or may be. */
  readonly keys: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
}

/**
 * Brings speakers and members up to date with what the book says, looking only at what has changed. First each key
 * gets the one statement that counts for it, so that an instance stands at one address only; then each address gets one
 * of those. `isFailing` is what checks found of the member of a site.
 */
export function weigh(book: Book, isFailing: (site: Site) => boolean): Weighed {
  const keys = new Set<string>();
  const addresses = new Set<string>();
  const { changedKeys, changedAddresses } = book;
  // A removal by the rule of absence changes the book again, and may let other statements speak.
  while (changedKeys.size > 0 || changedAddresses.size > 0) {
    for (const key of take(changedKeys)) {
      keys.add(key);
      const identity = book.identities.get(key);
      if (identity !== undefined) weighIdentity(identity, changedAddresses);
    }
    for (const address of take(changedAddresses)) {
      addresses.add(address);
      const site = book.sites.get(address);
      if (site === undefined) continue;
      if (site.member !== undefined) keys.add(site.member.key);
      site.member = bestOf([...site.statements].filter((statement) => isSpeaker(book, statement)));
      if (site.member === undefined) continue;
      keys.add(site.member.key);
      if (isAbsent(book, site) && isFailing(site)) dropSite(book, site, 'absent-and-failing');
    }
  }
  return { keys, addresses };
}

function take(names: Set<string>): string[] {
  const taken = [...names];
  names.clear();
  return taken;
}

function weighIdentity(identity: Identity, changedAddresses: Set<string>): void {
  const before = identity.speaker;
  identity.speaker = isHidden(identity) ? undefined : bestOf(identity.statements);
  if (before === identity.speaker) return;
  for (const statement of [before, identity.speaker]) {
    if (statement !== undefined) changedAddresses.add(statement.address);
  }
}

/** True for a key whose explicit removal was told by a source, though others have not heard of it yet. */
export function isHidden(identity: Identity): boolean {
  return identity.hiddenBy.size > 0;
}

function isSpeaker(book: Book, statement: Statement): boolean {
  return book.identities.get(statement.key)?.speaker === statement;
}

/** The statements that count as said of an address: all but those of hidden keys. */
export function* spokenOf(book: Book, site: Site): Generator<Statement> {
  for (const statement of site.statements) {
    const identity = book.identities.get(statement.key);
    if (identity !== undefined && !isHidden(identity)) yield statement;
  }
}

/**
 * True when every source that speaks of the address doubts it, and is there to know: a source that is not connected
 * cannot miss anybody.
 */
export function isAbsent(book: Book, site: Site): boolean {
  for (const { doubt, origin } of spokenOf(book, site)) {
    if (doubt === undefined || origin.status.state !== 'connected') return false;
  }
  return site.member !== undefined;
}

/** Takes back all that is said of an address. */
export function dropSite(book: Book, site: Site, cause: Removal['cause']): void {
  const removal = { cause, source: site.member?.origin.name ?? '' };
  for (const statement of spokenOf(book, site)) book.drop(statement, removal);
}
