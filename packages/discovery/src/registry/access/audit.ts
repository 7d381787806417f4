import type { Clock } from '@bascule/core';

export type AuditVerb = 'register' | 'renew' | 'deregister' | 'read';

/** A registration, or something that was refused. */
export interface AuditEvent {
  /** Wall-clock milliseconds. */
  readonly atMs: number;
  /** As in `token:places`; "unknown" for who showed nothing right. */
  readonly principal: string;
  /** Address of the peer's socket; empty where it is not known. */
  readonly address: string;
  readonly verb: AuditVerb;
  readonly namespace: string;
  /** Names of services as they were given, which may be anything: see {@link formatAuditLine}. */
  readonly services: readonly string[];
  readonly instanceId: string;
  readonly outcome: 'allowed' | 'refused';
  /** Why it was refused; empty otherwise. */
  readonly reason: string;
  /** Refusals before this one that were too many to tell each. */
  readonly suppressed: number;
}

export type Audit = (event: Omit<AuditEvent, 'atMs' | 'suppressed'>) => void;

/** Refusals told per second: a flood of them must not fill a disk. */
const REFUSALS_PER_SECOND = 100;

/** Tells all registrations, and refusals up to 100 per second. */
export function createAudit(clock: Clock, onAudit: (event: AuditEvent) => void): Audit {
  let second = -1;
  let told = 0;
  let suppressed = 0;
  return (event) => {
    const now = Math.floor(clock.nowMs() / 1_000);
    if (now !== second) [second, told] = [now, 0];
    if (event.outcome === 'refused' && ++told > REFUSALS_PER_SECOND) {
      suppressed += 1;
      return;
    }
    const before = suppressed;
    suppressed = 0;
    onAudit({ ...event, atMs: clock.wallMs(), suppressed: before });
  };
}

const MAX_SHOWN_SERVICES = 8;
const MAX_SHOWN_CHARS = 255;

/** One line of JSON, safe for terminals and logs whatever a caller put into names. */
export function formatAuditLine(event: AuditEvent): string {
  const services = event.services.slice(0, MAX_SHOWN_SERVICES).map(shorten);
  const more = event.services.length - services.length;
  const { atMs, ...rest } = event;
  const line = JSON.stringify({
    time: new Date(atMs).toISOString(),
    ...rest,
    services: more > 0 ? [...services, `and ${more} more`] : services,
    namespace: shorten(event.namespace),
    instanceId: shorten(event.instanceId),
  });
  // JSON leaves what steers a terminal without being seen: C1 controls, directions of writing, line separators.
  return line.replace(/[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (char) => {
    return Array.from({ length: char.length }, (_, i) => `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`).join(
      '',
    );
  });
}

function shorten(text: string): string {
  return text.length > MAX_SHOWN_CHARS ? `${text.slice(0, MAX_SHOWN_CHARS)}...` : text;
}
