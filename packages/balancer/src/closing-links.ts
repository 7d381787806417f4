import type { Link } from '@bascule/core';
import type { Member } from './member.ts';

/** Links on their way out, with the calls that still run on them. */
export class ClosingLinks {
  /** With the member that is leaving, or undefined where only its address changed or it is not used any more. */
  readonly #links = new Map<Link, { readonly member: Member | undefined; readonly closed: Promise<void> }>();
  readonly #onDrained: (member: Member) => void;

  constructor(onDrained: (member: Member) => void) {
    this.#onDrained = onDrained;
  }

  close(link: Link, member: Member | undefined): void {
    const drained = (): void => {
      this.#links.delete(link);
      if (member !== undefined) this.#onDrained(member);
    };
    // A link that several balancers share is closed for us at once; our calls on it may still run. A link that cannot
    // close properly is closed all the same.
    const idle = (): Promise<void> | undefined => member?.idle();
    const closed = link.close().then(idle, idle).then(drained);
    this.#links.set(link, { member, closed });
  }

  /** Those that leave with their link. */
  members(): Member[] {
    return [...this.#links.values()].flatMap(({ member }) => (member === undefined ? [] : [member]));
  }

  async closed(): Promise<void> {
    await Promise.all([...this.#links.values()].map(({ closed }) => closed));
  }

  destroy(): void {
    for (const link of this.#links.keys()) link.destroy();
  }
}
