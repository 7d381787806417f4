import { formatAddress, type PickNote } from '@bascule/core';
import type { Member } from '../member.ts';
import type { Place, Tier } from './plan.ts';

/** What a pick was made from. */
export interface PickScene {
  /** Name of the policy. */
  readonly policy: string;
  /** Both undefined where the call named its endpoint. */
  readonly tier: Tier | undefined;
  readonly place: Place | undefined;
  readonly members: Iterable<Member>;
  readonly tried: readonly string[];
  readonly nowMs: number;
}

/** What a person can read. */
const MAX_EXCLUDED = 100;

const NOBODY = { endpoint: '', address: '', group: '', reason: 'nobody can take calls', candidates: 0 };

/** Says why a member was chosen, and why others were not. For calls that ask: it looks at all members. */
export function describePick(chosen: Member | undefined, scene: PickScene): PickNote {
  const { policy, tier, place } = scene;
  const excluded: { endpoint: string; reason: string }[] = [];
  const candidates = new Set(place?.members);
  for (const member of scene.members) {
    if (excluded.length === MAX_EXCLUDED) break;
    if (member === chosen) continue;
    const reason = reasonAgainst(member, scene, candidates);
    if (reason !== '') excluded.push({ endpoint: member.id, reason });
  }
  if (chosen === undefined) return { ...NOBODY, policy, excluded };
  return {
    endpoint: chosen.id,
    address: formatAddress(chosen.endpoint),
    policy,
    group: tier === undefined ? 'the endpoint that the session names' : describeGroup(tier, place),
    reason: place === undefined ? 'sticky session' : place.picker.reason(chosen),
    candidates: place?.members.length ?? 1,
    excluded,
  };
}

function describeGroup({ priority, isInPanic, healthy, total }: Tier, place: Place | undefined): string {
  const zone = place?.zone === undefined ? '' : `, zone ${place.zone || 'without a name'}`;
  const panic = isInPanic ? `, all used though ${healthy} of ${total} are healthy (panic)` : '';
  return `priority ${priority}${zone}${panic}`;
}

function reasonAgainst(member: Member, { tier, tried, nowMs }: PickScene, candidates: Set<Member>): string {
  const problem = member.problem(nowMs);
  const isGiven = tier?.isInPanic === true ? member.lendable : member.usable;
  if (!isGiven) return member.state === 'connecting' ? connecting(problem, member) : problem || 'not ready';
  if (tried.includes(member.key)) return 'tried before';
  if (member.isFull) return `full: ${member.openCalls} open calls`;
  if (member.isBusyProbing) return problem;
  if (tier !== undefined && member.endpoint.priority !== tier.priority)
    return `in priority ${member.endpoint.priority}`;
  if (tier === undefined || candidates.has(member)) return '';
  return `in zone ${member.endpoint.zone || 'without a name'}`;
}

function connecting(problem: string, { unusedBecause }: Member): string {
  if (unusedBecause !== '') return unusedBecause;
  return problem === '' ? 'connecting' : `connecting: ${problem}`;
}
