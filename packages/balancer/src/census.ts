import type { Clock } from '@bascule/core';
import type { Member } from './member.ts';

/** How many members can take calls. */
export class Census {
  /** Those that a call could be sent to, whatever speaks against it. */
  lendable = 0;
  /** Those of them that nothing speaks against. */
  usable = 0;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Looks anew at a member: to be called after each change of its way, its endpoint or its standing. */
  judge(member: Member): void {
    const { weight, health = 'healthy' } = member.endpoint;
    const lendable = member.state === 'ready' && weight > 0 && health !== 'draining';
    const usable = lendable && health === 'healthy' && member.standing.name !== 'ejected';
    this.lendable += Number(lendable) - Number(member.lendable);
    this.usable += Number(usable) - Number(member.usable);
    if (usable && !member.usable) member.readySinceMs = this.#clock.nowMs();
    member.lendable = lendable;
    member.usable = usable;
  }
}
