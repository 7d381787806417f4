import { endpointKey, type Endpoint, type RemovalCause } from '@bascule/core';
import type { SchemaShelf } from './schema-shelf.ts';
import { addressOf, type Origin, type Statement } from './statement.ts';

/** One instance in one incarnation, as all sources speak of it. */
export interface Identity {
  readonly key: string;
  readonly statements: Set<Statement>;
  /** Sources that told an explicit removal while others still hold it. While there is one, the key counts as gone. */
  readonly hiddenBy: Set<Origin>;
  /** The statement that counts for this key, as weighed last. */
  speaker: Statement | undefined;
  /** Pairs of sources that name different addresses, as weighed last. */
  conflicts: ReadonlySet<string>;
}

/** One address, with all that is said of it. */
export interface Site {
  readonly address: string;
  readonly statements: Set<Statement>;
  /** The statement that counts for this address, as weighed last. */
  member: Statement | undefined;
  /** Pairs of sources that describe it differently, as weighed last. */
  conflicts: ReadonlySet<string>;
}

/** Why and by whom a key was removed. */
export interface Removal {
  readonly cause: RemovalCause;
  readonly source: string;
}

/** Everything that sources say, by key and by address, and what of it has changed since it was weighed. */
export interface Book {
  readonly identities: ReadonlyMap<string, Identity>;
  readonly sites: ReadonlyMap<string, Site>;
  readonly changedKeys: Set<string>;
  readonly changedAddresses: Set<string>;
  /** Removals told since they were cleared, by key. */
  readonly removals: Map<string, Removal>;
  tell(origin: Origin, endpoint: Endpoint): void;
  /** Takes an endpoint of the last known set, which the source has not told yet. */
  remember(origin: Origin, endpoint: Endpoint): void;
  doubt(origin: Origin, key: string, why: string): void;
  remove(origin: Origin, key: string, cause: RemovalCause): void;
  /** Takes back one statement, whatever others say. */
  drop(statement: Statement, removal: Removal): void;
  /** Forgets that a source, which is about to go, has removed anything. */
  unhideAll(origin: Origin): void;
  /** Deletes what holds nothing any more, of what was weighed. */
  sweep(keys: Iterable<string>, addresses: Iterable<string>): void;
}

/** Causes that say that the instance itself is gone: no other source, which may not have heard yet, can know better. */
const EXPLICIT: ReadonlySet<RemovalCause> = new Set(['deregistered', 'replaced', 'retired']);

/** An empty book. `shelf` hears which descriptors its statements name. */
export function createBook(shelf: SchemaShelf): Book {
  const identities = new Map<string, Identity>();
  const sites = new Map<string, Site>();
  const changedKeys = new Set<string>();
  const changedAddresses = new Set<string>();
  const removals = new Map<string, Removal>();
  let count = 0;

  function identityOf(key: string): Identity {
    let identity = identities.get(key);
    if (identity === undefined) {
      identity = { key, statements: new Set(), hiddenBy: new Set(), speaker: undefined, conflicts: NONE };
      identities.set(key, identity);
    }
    return identity;
  }

  function siteOf(address: string): Site {
    let site = sites.get(address);
    if (site === undefined) {
      site = { address, statements: new Set(), member: undefined, conflicts: NONE };
      sites.set(address, site);
    }
    return site;
  }

  function touch({ key, address }: Statement): void {
    changedKeys.add(key);
    changedAddresses.add(address);
  }

  function unhide(identity: Identity): void {
    for (const origin of identity.hiddenBy) origin.hides.delete(identity.key);
    identity.hiddenBy.clear();
    identity.statements.forEach(touch);
  }

  function say(origin: Origin, endpoint: Endpoint, doubt: string | undefined): Statement {
    const key = endpointKey(endpoint);
    const address = addressOf(endpoint);
    let statement = origin.statements.get(key);
    if (statement === undefined) {
      statement = { origin, key, order: count++, endpoint, address, doubt };
      origin.statements.set(key, statement);
      identityOf(key).statements.add(statement);
    } else {
      touch(statement);
      if (statement.address !== address) sites.get(statement.address)?.statements.delete(statement);
      shelf.name(statement.endpoint.schemaDigest, -1, origin);
    }
    shelf.name(endpoint.schemaDigest, 1, origin);
    Object.assign(statement, { endpoint, address, doubt });
    siteOf(address).statements.add(statement);
    if (doubt === undefined) origin.doubted.delete(statement);
    else origin.doubted.add(statement);
    touch(statement);
    return statement;
  }

  function drop(statement: Statement, removal: Removal): void {
    const { origin, key, address, endpoint } = statement;
    touch(statement);
    removals.set(key, removal);
    origin.statements.delete(key);
    origin.doubted.delete(statement);
    confirm(origin, endpoint.instanceId, key);
    sites.get(address)?.statements.delete(statement);
    shelf.name(endpoint.schemaDigest, -1, origin);
    const identity = identityOf(key);
    identity.statements.delete(statement);
    if (identity.statements.size === 0) unhide(identity);
  }

  function remove(origin: Origin, key: string, cause: RemovalCause): void {
    const removal = { cause, source: origin.name };
    const statement = origin.statements.get(key);
    if (statement !== undefined) drop(statement, removal);
    const identity = identities.get(key);
    if (identity === undefined || identity.statements.size === 0 || !EXPLICIT.has(cause)) return;
    identity.hiddenBy.add(origin);
    origin.hides.add(key);
    removals.set(key, removal);
    identity.statements.forEach(touch);
  }

  /** A source that begins anew does not know which starts of an instance came before: of those it says nothing. */
  function replaceOlder(origin: Origin, { instanceId, incarnation }: Endpoint): void {
    for (const key of origin.unconfirmed.get(instanceId) ?? []) {
      const older = origin.statements.get(key);
      if (older !== undefined && older.endpoint.incarnation < incarnation) remove(origin, key, 'replaced');
    }
  }

  return {
    identities,
    sites,
    changedKeys,
    changedAddresses,
    removals,
    drop,
    remove,
    tell(origin, endpoint) {
      const { key } = say(origin, endpoint, undefined);
      const identity = identityOf(key);
      if (identity.hiddenBy.has(origin)) unhide(identity);
      confirm(origin, endpoint.instanceId, key);
      replaceOlder(origin, endpoint);
    },
    remember(origin, endpoint) {
      const { key } = say(origin, endpoint, 'known from before, and not told yet');
      const keys = origin.unconfirmed.get(endpoint.instanceId);
      if (keys === undefined) origin.unconfirmed.set(endpoint.instanceId, new Set([key]));
      else keys.add(key);
    },
    doubt(origin, key, why) {
      const statement = origin.statements.get(key);
      if (statement === undefined) return;
      statement.doubt = why;
      origin.doubted.add(statement);
      touch(statement);
    },
    unhideAll(origin) {
      for (const key of origin.hides) {
        const identity = identities.get(key);
        identity?.hiddenBy.delete(origin);
        if (identity?.hiddenBy.size === 0) identity.statements.forEach(touch);
      }
      origin.hides.clear();
    },
    sweep(keys, addresses) {
      for (const key of keys) if (identities.get(key)?.statements.size === 0) identities.delete(key);
      for (const address of addresses) if (sites.get(address)?.statements.size === 0) sites.delete(address);
    },
  };
}

const NONE: ReadonlySet<string> = new Set();

function confirm(origin: Origin, instanceId: string, key: string): void {
  const keys = origin.unconfirmed.get(instanceId);
  if (keys?.delete(key) === true && keys.size === 0) origin.unconfirmed.delete(instanceId);
}
