import { createVirtualClock, endpointKey, type Change, type Endpoint } from '@bascule/core';
import { createMembership } from '../../src/membership/create-membership.ts';
import type { JoinOptions, MembershipOptions } from '../../src/membership/membership.ts';
import type { SourceChange } from '../../src/source.ts';

/** A membership whose sources are in the test's hands, with the changes that it tells. */
export function createRig(options: Partial<MembershipOptions> = {}) {
  const clock = createVirtualClock();
  const log: string[] = [];
  const news: string[][] = [];
  const membership = createMembership({
    clock,
    onChange: (changes) => void log.push(...changes.map(toLine)),
    onNews: (keys) => void news.push([...keys]),
    ...options,
  });

  function join(name: string, given: Partial<JoinOptions> = {}) {
    const joined = membership.join({ name, ...given });
    const { listener } = joined;
    return {
      listener,
      leave: () => joined.leave(),
      connect: () => listener.status({ state: 'connected', sinceMs: clock.wallMs() }),
      lose: () => listener.status({ state: 'stale', sinceMs: clock.wallMs(), error: 'gone' }),
      tell: (...endpoints: Endpoint[]) => listener.changes(endpoints.map((endpoint) => ({ type: 'insert', endpoint }))),
      update: (endpoint: Endpoint) => listener.changes([{ type: 'update', endpoint }]),
      doubt: (...keys: string[]) => listener.changes(keys.map((key) => ({ type: 'doubt', key, why: 'missing' }))),
      remove: (key: string, cause: Extract<SourceChange, { type: 'remove' }>['cause']) =>
        listener.changes([{ type: 'remove', key, cause }]),
    };
  }
  return {
    clock,
    membership,
    news,
    join,
    /** What was told since the last look. */
    log: () => log.splice(0),
    keys: () => membership.members().map(({ key }) => key),
  };
}

function toLine(change: Change): string {
  if (change.type === 'remove') return `remove ${change.key} ${change.cause}`;
  const { health = 'healthy' } = change.endpoint;
  return `${change.type} ${endpointKey(change.endpoint)}${health === 'healthy' ? '' : ` ${health}`}`;
}
