import type { History, VersionRecord } from './history.ts';
import type { Live } from './live.ts';
import type { Rollout } from './rollout.ts';

/** Where a version stands. As bascule.modules.v1.VersionState. */
export type VersionState = 'stored' | 'starting' | 'current' | 'draining' | 'refused' | 'crashed';

/** A version for people and for the admin service. Plain data; as bascule.modules.v1.Version. */
export interface VersionView {
  readonly module: string;
  readonly version: string;
  /** Digest of the bundle, `sha256:<hex>`; empty when there is no bundle. */
  readonly digest: string;
  readonly state: VersionState;
  /** Why it was refused or crashed; otherwise empty. */
  readonly reason: string;
  readonly services: readonly string[];
  readonly schemaDigest: string;
  /** Wall-clock milliseconds since 1970. */
  readonly deployedAtMs: number;
  /** Open calls and streams; up to a second old. */
  readonly openCalls: number;
  readonly restarts: number;
  /** As the operator named it. */
  readonly source: string;
}

/** All known versions of all modules, latest first. */
export function listVersions(history: History, rollouts: ReadonlyMap<string, Rollout>): VersionView[] {
  return history.list().map((record) => viewOf(record, rollouts.get(record.module)));
}

/** One version with what its workers say. It can have two: draining, and started again by a rollback. */
export function viewOf(record: VersionRecord, rollout: Rollout | undefined): VersionView {
  const lives = rollout?.lives().filter((live) => live.record.id === record.id) ?? [];
  return {
    module: record.module,
    version: record.version,
    digest: record.digest,
    ...standing(record, rollout, lives),
    services: record.services,
    schemaDigest: record.schemaDigest,
    deployedAtMs: record.deployedAtMs,
    openCalls: lives.reduce((sum, live) => sum + live.host.openCalls(), 0),
    restarts: lives.reduce((sum, live) => sum + live.host.state().restarts, 0),
    source: record.source,
  };
}

function standing(
  record: VersionRecord,
  rollout: Rollout | undefined,
  lives: readonly Live[],
): Pick<VersionView, 'state' | 'reason'> {
  const current = rollout?.current();
  if (current?.record.id === record.id) return standingOfCurrent(current);
  if (rollout?.candidate()?.record.id === record.id) return { state: 'starting', reason: '' };
  if (lives.some((live) => live.host.state().state === 'draining')) return { state: 'draining', reason: '' };
  return { state: record.state, reason: record.reason };
}

function standingOfCurrent({ host }: Live): Pick<VersionView, 'state' | 'reason'> {
  const state = host.state();
  switch (state.state) {
    case 'ready':
      return { state: 'current', reason: '' };
    case 'starting':
      return { state: state.restarts > 0 ? 'crashed' : 'starting', reason: '' };
    case 'crashed':
    case 'failed':
      return { state: 'crashed', reason: state.reason };
    case 'draining':
    case 'ended':
      break;
  }
  return { state: 'stored', reason: '' };
}
