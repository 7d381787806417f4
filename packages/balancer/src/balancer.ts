import type { Change, Clock, Endpoint, Link, RequestHead, Timer } from '@bascule/core';
import type { BalancingPolicy } from './balancing-policy.ts';
import { MemberLease, type Ledger } from './lease.ts';
import type { Member, MemberView } from './member.ts';
import { Detector } from './outlier/detector.ts';
import type { LoadReport } from './policy.ts';
import { Pool } from './pool.ts';
import { Respreader } from './respread.ts';
import { Selection } from './selection.ts';

export interface BalancerOptions {
  readonly balancing: BalancingPolicy;
  readonly clock: Clock;
  /** Opens a way to an endpoint. Must not throw: what cannot be reached is a link that is not ready. */
  connect(endpoint: Endpoint): Link;
  /** Told once a removed endpoint's last call has ended. Not told when the same key has come back meanwhile. */
  onDrained?(key: string): void;
}

/** Who gets a call, out of those who are there and ready. */
export interface Balancer {
  /** Obeys changes in order. Updates keep load and history; a new address gets a new link, the old one drains. */
  apply(changes: readonly Change[]): void;
  /** Takes another policy; members, links, load and history stay. */
  configure(balancing: BalancingPolicy): void;
  /**
   * Lends an endpoint, or undefined if none can take calls. Reads `head.call`: `tried`, `affinity`, `method`; writes
   * nothing in it but, for calls that ask, the attempt in `explanation.picking`. With a `slot`, a lease that has been
   * released before, nothing is allocated.
   */
  pick(head: RequestHead, slot?: MemberLease): MemberLease | undefined;
  /** What an endpoint says of its load, by `endpointKey`; unknown keys are nobody. */
  report(key: string, load: Pick<LoadReport, 'utilization' | 'qps' | 'eps'>): void;
  members(): MemberView[];
  /** Whether there is an endpoint now that can take calls. */
  canLend(): boolean;
  /** Calls `listener` whenever a member may have become able to take calls. */
  onReady(listener: () => void): void;
  /** Drains all; resolves when the last call has ended. No picks meanwhile. */
  close(): Promise<void>;
  /** Cuts what is still open: open calls end with `unavailable`. */
  destroy(): void;
}

/** Makes an empty balancer. */
export function createBalancer(options: BalancerOptions): Balancer {
  const { clock } = options;
  let room: Timer | undefined;
  const detector: Detector<Member> = new Detector<Member>({
    clock,
    members: () => pool.members(),
    count: () => pool.size,
    usable: () => pool.census.usable,
    onChange: (member) => pool.judgeAnew(member),
  });
  const ledger: Ledger = {
    clock,
    detector,
    isTimed: false,
    pickedMs: 0,
    decayMs: DEFAULT_DECAY_MS,
    messagesPerCall: 1,
    reportGapMs: undefined,
    maxOpenCalls: Infinity,
    onRoom() {
      // Once for all that end in a moment: each of them would ask all who wait.
      room ??= clock.after(0, () => {
        room = undefined;
        pool.tell();
      });
    },
    onMovable: () => respreader.wake(),
  };
  const respreader = new Respreader(clock, () => pool.members());
  const pool: Pool = new Pool({ ...options, ledger, onChange: () => selection.invalidate() });
  const selection: Selection = new Selection(options.balancing, {
    ledger,
    pool,
    hasLimits: () => detector.probing > 0 || ledger.maxOpenCalls < Infinity,
  });

  function follow(balancing: BalancingPolicy): void {
    detector.configure(balancing.outlier);
    respreader.configure(balancing.respread);
    const { needsLatency, decayMs } = selection.policy;
    ledger.isTimed = needsLatency || detector.needsLatency;
    ledger.decayMs = decayMs > 0 ? decayMs : DEFAULT_DECAY_MS;
    ledger.messagesPerCall = balancing.messagesPerCall;
    const { policy } = balancing;
    ledger.reportGapMs = policy.name === 'orca-weighted-round-robin' ? policy.expirationMs : undefined;
    ledger.maxOpenCalls = balancing.maxOpenCallsPerEndpoint ?? Infinity;
    for (const { latency } of pool.members()) latency.decayMs = ledger.decayMs;
    pool.configure(balancing);
  }

  function rest(): void {
    detector.close();
    selection.close();
    respreader.close();
    room?.cancel();
    room = undefined;
  }

  follow(options.balancing);
  return {
    apply: (changes) => pool.apply(changes),
    configure(balancing) {
      selection.configure(balancing);
      follow(balancing);
      if (pool.census.lendable > 0) pool.tell();
    },
    pick(head, slot = new MemberLease()) {
      if (ledger.isTimed) ledger.pickedMs = clock.nowMs();
      const member = selection.choose(head);
      if (member === undefined) return undefined;
      const kind = head.call.method?.kind;
      return slot.take(member, ledger, kind !== 'unary' && kind !== 'client_stream');
    },
    report: (key, load) => pool.byKey(key)?.reports.book(load, clock.nowMs(), ledger.reportGapMs),
    members: () => pool.views(),
    canLend: () => pool.census.lendable > 0,
    onReady: (listener) => void pool.listeners.push(listener),
    async close() {
      await pool.close();
      rest();
    },
    destroy() {
      pool.destroy();
      rest();
    },
  };
}

/** For policies that need no latency, where it is shown or judged all the same. */
const DEFAULT_DECAY_MS = 10_000;
