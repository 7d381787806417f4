import type { Endpoint } from '@bascule/core';
import { HttpError } from '../peers/http-answer.ts';
import { RegistrationRefused } from './registration.ts';

/** Which failures of a system that is spoken to over HTTP cannot be changed by repeating. */
export interface Refusals {
  /** Credentials suffice: when they do not any more, the system has lost them, and somebody will put them back. */
  sufficed(): void;
  /** RegistrationRefused where the record is unsound, or rights are missing that were never there; else the error. */
  of(error: unknown): unknown;
}

export function createRefusals(): Refusals {
  let hasSufficed = false;
  return {
    sufficed: () => void (hasSufficed = true),
    of(error) {
      if (!(error instanceof HttpError)) return error;
      const isFinal = error.status === 400 || ((error.status === 401 || error.status === 403) && !hasSufficed);
      return isFinal ? new RegistrationRefused(error.message, { cause: error }) : error;
    },
  };
}

/** The process that was started last has the place: RegistrationRefused for one before the `known` one. */
export function refuseOlder({ instanceId, incarnation }: Endpoint, known: number, system: string): void {
  if (known <= incarnation) return;
  throw new RegistrationRefused(
    `${system} knows ${instanceId} with incarnation ${known}; ours, ${incarnation}, is older`,
  );
}
