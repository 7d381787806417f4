import type { Member } from './member.ts';
import { createCandidates, type Candidates } from './policy.ts';

/** Those who can take new calls, in groups by priority, the first to be used first. Made anew with each change. */
export interface ReadySet {
  readonly groups: readonly Candidates<Member>[];
}

/** Ready and healthy members with a weight, grouped. The others keep the calls they have. */
export function createReadySet(members: Iterable<Member>): ReadySet {
  const byPriority = new Map<number, Member[]>();
  for (const member of members) {
    const { priority, health = 'healthy' } = member.endpoint;
    if (member.state !== 'ready' || member.weight <= 0 || health !== 'healthy') continue;
    const group = byPriority.get(priority);
    if (group === undefined) byPriority.set(priority, [member]);
    else group.push(member);
  }
  const sorted = [...byPriority].toSorted(([a], [b]) => a - b);
  return { groups: sorted.map(([, group]) => createCandidates(group)).filter((group) => group !== undefined) };
}

/**
 * The group to pick from: the first one, without those that the call has tried. When a whole group has been tried the
 * next one is used; when all have been, the first one again, since somebody is better than nobody.
 */
export function chooseGroup(set: ReadySet, tried: readonly string[]): Candidates<Member> | undefined {
  if (tried.length === 0) return set.groups[0];
  for (const group of set.groups) {
    const untried = group.members.filter((member) => !tried.includes(member.key));
    if (untried.length === group.members.length) return group;
    if (untried.length > 0) return createCandidates(untried);
  }
  return set.groups[0];
}
