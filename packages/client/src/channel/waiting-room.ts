import type { PendingCall } from './pending-call.ts';

/** Calls that wait for an endpoint, by the cluster that they wait for, in the order in which they came. */
export class WaitingRoom {
  size = 0;
  readonly #clusters = new Map<string, Set<PendingCall>>();
  /** Clusters to be woken. A call that goes may end at once and so wake others: in turn, not one inside the other. */
  readonly #due = new Set<string>();
  #isWaking = false;

  countOf(cluster: string): number {
    return this.#clusters.get(cluster)?.size ?? 0;
  }

  add(cluster: string, call: PendingCall): void {
    const calls = this.#clusters.get(cluster);
    if (calls === undefined) this.#clusters.set(cluster, new Set([call]));
    else calls.add(call);
    this.size++;
  }

  delete(cluster: string, call: PendingCall): void {
    const calls = this.#clusters.get(cluster);
    if (calls?.delete(call) !== true) return;
    this.size--;
    if (calls.size === 0) this.#clusters.delete(cluster);
  }

  /** Lets those go that can: where one finds nobody, those behind it would not either. */
  wake(cluster: string): void {
    if (this.size === 0) return;
    this.#due.add(cluster);
    if (this.#isWaking) return;
    this.#isWaking = true;
    try {
      for (const due of this.#due) {
        this.#due.delete(due);
        for (const call of this.#clusters.get(due) ?? []) if (!call.retry()) break;
      }
    } finally {
      this.#isWaking = false;
    }
  }

  wakeAll(): void {
    for (const cluster of this.#clusters.keys()) this.wake(cluster);
  }
}
