import type { PeerCertificate } from '@bascule/core';
import type { Grants } from './grants.ts';

/** Somebody who is known, and what they may do. */
export interface Principal {
  /** As in `token:places`: unique among all principals, in logs, and the owner of leases. */
  readonly name: string;
  readonly grants: Grants;
  /** Wall-clock milliseconds at which that ends; Infinity when it does not. */
  readonly untilMs: number;
  /** Whether it is one of many, whose share of the registry is bounded. See RegistryLimits. */
  readonly isBounded: boolean;
}

/** What a caller shows of itself. */
export interface Shown {
  /** Value of the field `authorization`; undefined without one. */
  readonly authorization: string | undefined;
  /** A certificate whose authority was checked. */
  readonly certificate: PeerCertificate | undefined;
}

/** Who may do what: made by `loadAccess` from a file, or by `createTokenAccess` of one token. */
export interface Access {
  /**
   * Who shows that; undefined for nobody known who shows nothing. Throws or rejects with a ConnectError of
   * `unauthenticated` for a token that is not right: it is no anonymous caller either.
   */
  identify(shown: Shown): Principal | undefined | Promise<Principal | undefined>;
}
