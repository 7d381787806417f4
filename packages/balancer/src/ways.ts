import type { Endpoint, Link } from '@bascule/core';
import type { Census } from './census.ts';
import { ClosingLinks } from './closing-links.ts';
import type { Ledger } from './lease.ts';
import type { Member } from './member.ts';

export interface WaysOptions {
  readonly ledger: Ledger;
  readonly census: Census;
  connect(endpoint: Endpoint): Link;
  /** The last call of a member that left has ended. */
  onDrained(member: Member): void;
  /** A member's way has become ready, or is not any more. */
  onReadyChange(ready: boolean): void;
}

/** Ways to members: opened, replaced, and closed once their last call has ended. */
export class Ways {
  readonly #options: WaysOptions;
  readonly #closing: ClosingLinks;

  constructor(options: WaysOptions) {
    this.#options = options;
    this.#closing = new ClosingLinks((member) => options.onDrained(member));
  }

  open(member: Member): void {
    const link = this.#options.connect(member.endpoint);
    member.link = link;
    member.service = link.service;
    this.#turn(member, link.isReady() ? 'ready' : 'connecting');
    link.onReadyChange((ready) => {
      // A link that is on its way out has no say, even if its endpoint is still a member.
      if (member.link !== link || member.state === 'draining') return;
      if (ready) this.#options.ledger.detector.reconnected(member);
      this.#turn(member, ready ? 'ready' : 'connecting');
      this.#options.onReadyChange(ready);
    });
  }

  /** The member is at another address: what was found out about the old one says nothing. */
  replace(member: Member): void {
    const old = member.link;
    if (old === undefined) return;
    this.open(member);
    this.#closing.close(old, undefined);
    member.reports.forget();
  }

  /** The member stays, without a way. */
  shut(member: Member): void {
    const { link } = member;
    if (link === undefined) return;
    member.link = undefined;
    this.#options.ledger.detector.forget(member);
    this.#turn(member, 'connecting');
    this.#closing.close(link, undefined);
  }

  /** The member has left. */
  leave(member: Member): void {
    this.#options.ledger.detector.forget(member);
    this.#turn(member, 'draining');
    if (member.link === undefined) this.#options.onDrained(member);
    else this.#closing.close(member.link, member);
  }

  /** Members that have left, with calls that still run. */
  leaving(): Member[] {
    return this.#closing.members();
  }

  /** Resolves when none is left of those that were closed. */
  closed(): Promise<void> {
    return this.#closing.closed();
  }

  /** Cuts those that are closing. */
  destroy(): void {
    this.#closing.destroy();
  }

  #turn(member: Member, state: Member['state']): void {
    member.state = state;
    member.sinceMs = this.#options.ledger.clock.wallMs();
    this.#options.census.judge(member);
  }
}
