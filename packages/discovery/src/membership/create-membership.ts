import type { SourceChange, SourceListener, SourceStatus } from '../source.ts';
import { createAbsence } from './absence.ts';
import { createBook } from './book.ts';
import { countConflicts } from './conflicts.ts';
import type { Joined, JoinOptions, Membership, MembershipOptions, Verdict } from './membership.ts';
import { createRemovalLog } from './removal-log.ts';
import { createRoster } from './roster.ts';
import { createSchemaShelf } from './schema-shelf.ts';
import { createOrigin, type Origin } from './statement.ts';
import { dropSite, isAbsent, isHidden, weigh } from './weigh.ts';

/** Nobody is there yet. See {@link Membership} for its rules. */
export function createMembership(options: MembershipOptions): Membership {
  const { clock, absentLimitMs } = options;
  const shelf = createSchemaShelf();
  const book = createBook(shelf);
  const log = createRemovalLog();
  const roster = createRoster({ book, log, clock });
  const origins = new Set<Origin>();
  const absence =
    absentLimitMs === undefined ? undefined : createAbsence({ clock, limitMs: absentLimitMs, onDue: removeAbsent });
  /** What came in while a batch was on its way out. */
  const waiting: (() => boolean)[] = [];
  let isRunning = false;
  let joins = 0;
  let conflicts = 0;

  /** Changes the book and weighs what that means. `act` says whether there is news that no key shows. */
  function run(act: () => boolean): void {
    waiting.push(act);
    if (isRunning) return;
    isRunning = true;
    try {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) settle(next());
    } finally {
      isRunning = false;
    }
  }

  function settle(hasNews: boolean): void {
    const weighed = weigh(book, (site) => roster.isFailing(site));
    const { changes, keys } = roster.update(weighed.keys);
    conflicts += countConflicts(book, weighed);
    for (const address of absence === undefined ? [] : weighed.addresses) {
      const site = book.sites.get(address);
      absence?.set(address, site !== undefined && isAbsent(book, site));
    }
    book.removals.clear();
    book.sweep(weighed.keys, weighed.addresses);
    shelf.sweep();
    if (changes.length > 0) options.onChange(changes);
    if (keys.length > 0 || hasNews) options.onNews?.(keys);
  }

  function removeAbsent(addresses: readonly string[]): void {
    run(() => {
      for (const address of addresses) {
        const site = book.sites.get(address);
        if (site !== undefined && isAbsent(book, site)) dropSite(book, site, 'absent-too-long');
      }
      return false;
    });
  }

  function hear(origin: Origin, change: SourceChange): void {
    if (change.type === 'doubt') book.doubt(origin, change.key, change.why);
    else if (change.type === 'remove') book.remove(origin, change.key, change.cause);
    else book.tell(origin, change.endpoint);
  }

  function stand(origin: Origin, status: SourceStatus): void {
    const isOther = status.state !== origin.status.state;
    origin.status = status;
    if (!isOther) return;
    for (const { address } of origin.doubted) book.changedAddresses.add(address);
  }

  function leave(origin: Origin): void {
    const removal = { cause: 'source-gone', source: origin.name } as const;
    book.unhideAll(origin);
    for (const statement of origin.statements.values()) book.drop(statement, removal);
    origins.delete(origin);
  }

  function join(given: JoinOptions): Joined {
    const { name, rank = 0, known = [] } = given;
    const status: SourceStatus = { state: 'connecting', sinceMs: clock.wallMs() };
    const schemaFor = (digest: string) => given.schemas?.get(digest) ?? given.schemaFor?.(digest);
    const origin = createOrigin({ name, rank, order: joins++, status, schemaFor });
    origins.add(origin);
    const isIn = (): boolean => origins.has(origin);
    run(() => {
      for (const endpoint of known) book.remember(origin, endpoint);
      return true;
    });
    const tell = (act: () => boolean): void => run(() => isIn() && act());
    const listener: SourceListener = {
      changes(changes) {
        tell(() => {
          for (const change of changes) hear(origin, change);
          return false;
        });
      },
      status(status) {
        tell(() => {
          stand(origin, status);
          given.onStatus?.(status);
          return true;
        });
      },
      schema: (digest, schema) => tell(() => shelf.put(digest, schema)),
      warning: (message) => isIn() && given.onWarning?.(message),
    };
    return {
      listener,
      leave() {
        tell(() => {
          leave(origin);
          return true;
        });
      },
    };
  }

  function report(key: string, verdict: Verdict): void {
    run(() => {
      const address = roster.setVerdict(key, verdict);
      if (address !== undefined) book.changedAddresses.add(address);
      return false;
    });
  }

  return {
    join,
    report,
    members: () => roster.records(),
    member: (key) => roster.record(key),
    known() {
      const isKnown = (key: string): boolean => {
        const identity = book.identities.get(key);
        return identity !== undefined && !isHidden(identity);
      };
      return new Map(
        [...origins].map(({ name, statements }) => [
          name,
          [...statements.values()].flatMap(({ key, endpoint }) => (isKnown(key) ? [endpoint] : [])),
        ]),
      );
    },
    removals: () => log.latest(),
    sources: () =>
      [...origins].map(({ name, rank, status, statements }) => {
        return { name, rank, status, endpoints: statements.size };
      }),
    schema: (digest) => shelf.get(digest),
    schemas: () => shelf.all(),
    counters: () => ({ conflicts, removals: log.counts() }),
    close: () => absence?.close(),
  };
}
