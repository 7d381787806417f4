import type { Endpoint } from '@bascule/core';
import type { SystemOptions } from '../spec.ts';

/** What a registration is made of. */
export interface RegistrationOptions extends SystemOptions {
  /** Descriptors with the digest `endpoint.schemaDigest`, or empty. Systems that cannot carry them leave them out. */
  readonly schema: Uint8Array;
  /** 1,000 to 600,000 ms. Systems with a floor of their own raise it. */
  readonly ttlMs: number;
}

/** What an instance says of itself beside its endpoint. Systems that cannot carry it leave it out. */
export interface InstanceReport {
  /** Share of what it can do that is in use: 0 idle, 1 full, more is possible. Left out when unknown. */
  readonly utilization?: number;
  /** Names of its own checks that fail, for people. At most 16. */
  readonly failingChecks?: readonly string[];
}

/** One system that endpoints can be registered with. */
export interface RegistrarDriver {
  /**
   * Makes the endpoint known. Throws RegistrationRefused when repeating it cannot help (an unsound record, a newer
   * incarnation); any other error is tried again, missing rights too: they may be given later. Registering what is
   * registered is no error.
   */
  register(endpoint: Endpoint & InstanceReport, signal: AbortSignal): Promise<Registration>;
  close(): Promise<void>;
}

/** An endpoint that a system knows of, for as long as it is renewed. */
export interface Registration {
  /** How long it lasts without a word. Renewed at a third. */
  readonly ttlMs: number;
  /** Says that the instance lives, and how it is (`endpoint.health`, weight, labels). Throws LeaseLost. */
  renew(endpoint: Endpoint & InstanceReport, signal: AbortSignal): Promise<void>;
  /** Takes it out at once. */
  remove(signal: AbortSignal): Promise<void>;
}

/** The system does not know the registration any more: register again. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

/** The system will not take the registration, however often it is tried. */
export class RegistrationRefused extends Error {
  override readonly name = 'RegistrationRefused';
}

/** A file under `registrars/`: how its scheme becomes a driver. Throws SpecError for a URL that cannot work. */
export type OpenRegistrar = (options: RegistrationOptions) => RegistrarDriver;
