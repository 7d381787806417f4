import type { Clock } from '@bascule/core';
import type { Log } from './log.ts';
import { messageOf, ModuleRefused } from './refusal.ts';

/** What is known of a version that is to become current; more as it goes on. */
interface Known {
  readonly module?: string;
  readonly version?: string;
  readonly digest?: string;
  /** As the operator named it. */
  readonly source?: string;
}

/** One deployment or rollback in the log: who reads it later learns what came from where, and why it was refused. */
export interface Trail {
  note(known: Known): void;
  /** Logs how `job` ended, and hands its end on. */
  follow<T extends { readonly unchanged: boolean; readonly previousVersion: string }>(job: Promise<T>): Promise<T>;
}

/** Begins one; its time runs from here, waiting for other deployments included. */
export function createTrail(action: 'deploy' | 'rollback', { log, clock }: { log: Log; clock: Clock }): Trail {
  const startMs = clock.nowMs();
  let known: Known = {};
  const about = (): Known & { action: string; durationMs: number } => ({
    action,
    ...known,
    durationMs: Math.round(clock.nowMs() - startMs),
  });
  return {
    note(more) {
      known = { ...known, ...more };
    },
    async follow(job) {
      try {
        const result = await job;
        const { unchanged, previousVersion } = result;
        const message = unchanged ? 'a module version is current already' : 'a module version is current';
        log({ level: 'info', message, ...about(), previousVersion });
        return result;
      } catch (error) {
        const why = error instanceof ModuleRefused ? error : { reason: messageOf(error), advice: '' };
        const { reason, advice } = why;
        log({ level: 'warn', message: 'a module version was refused', ...about(), reason, advice });
        throw error;
      }
    },
  };
}
