import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import type { Access, Principal } from './access/access.ts';
import type { Audit, AuditVerb } from './access/audit.ts';
import { ALL_GRANTS, covers } from './access/grants.ts';
import { unauthenticated } from './access/bearer.ts';
import { PEER } from './caller.ts';
import type { Lease } from './lease.ts';

/** What a call is about, for the audit. */
export interface Subject {
  readonly verb: AuditVerb;
  readonly namespace: string;
  readonly services: readonly string[];
  readonly instanceId: string;
}

/** One who calls, and what they may do. All checks throw ConnectError: `unauthenticated` or `permission_denied`. */
export interface Caller {
  readonly principal: string;
  /** Whether shares of one principal are bounded. */
  readonly isBounded: boolean;
  /** Wall-clock milliseconds until which the caller is known; Infinity for ever. */
  readonly untilMs: number;
  /** Somebody who may register something: asked before anything of a request is looked at. */
  requireWriter(): void;
  /** The same for who may see something. */
  requireReader(): void;
  requireRegister(namespace: string, services: readonly string[]): void;
  /** The lease is the caller's own, and what it stands for may still be registered by it. */
  requireLease(lease: Lease): void;
  requireNamespace(namespace: string): void;
  /** Undefined: every service. */
  readonly mayRead: ((service: string) => boolean) | undefined;
  /** Whether the caller sees the instance behind a lease. */
  maySee(lease: Lease): boolean;
  requireRead(namespace: string, services: readonly string[]): void;
}

/** Finds out who calls. What is refused is told to the audit, and so is every registration. */
export interface Gate {
  /** Runs `handle` as whoever calls. */
  run<T>(context: HandlerContext, subject: Subject, handle: (caller: Caller) => T): T | Promise<T>;
  /** The same for one who is known already, as on a stream. */
  runAs<T>(caller: Caller, context: HandlerContext, subject: Subject, handle: (caller: Caller) => T): T;
}

const REFUSALS: ReadonlySet<Code> = new Set([Code.Unauthenticated, Code.PermissionDenied]);
const UNKNOWN = 'unknown';

/** Without `access` everybody may do everything. */
export function createGate(access: Access | undefined, audit: Audit): Gate {
  function tell(context: HandlerContext, subject: Subject, principal: string, error?: unknown): void {
    const refusal = error === undefined ? undefined : ConnectError.from(error);
    const isRefused = refusal !== undefined;
    // Other errors of reading and renewing are no matter of rights; of registering, all are told.
    if (isRefused && subject.verb !== 'register' && !REFUSALS.has(refusal.code)) return;
    if (!isRefused && subject.verb !== 'register') return;
    const { address } = context.values.get(PEER);
    const outcome = isRefused ? 'refused' : 'allowed';
    audit({ ...subject, principal, address, outcome, reason: refusal?.rawMessage ?? '' });
  }

  function identify(context: HandlerContext): Principal | undefined | Promise<Principal | undefined> {
    if (access === undefined) return undefined;
    const authorization = context.requestHeader.get('authorization') ?? undefined;
    return access.identify({ authorization, certificate: context.values.get(PEER).certificate });
  }

  function enter(context: HandlerContext, subject: Subject): Caller | Promise<Caller> {
    const refused = (error: unknown): never => {
      tell(context, subject, UNKNOWN, error);
      throw error;
    };
    const toCaller = (principal: Principal | undefined): Caller => {
      return access === undefined ? EVERYBODY : createCaller(principal ?? NOBODY);
    };
    try {
      const found = identify(context);
      return found instanceof Promise ? found.then(toCaller, refused) : toCaller(found);
    } catch (error) {
      return refused(error);
    }
  }

  function runAs<T>(caller: Caller, context: HandlerContext, subject: Subject, handle: (caller: Caller) => T): T {
    try {
      const result = handle(caller);
      tell(context, subject, caller.principal);
      return result;
    } catch (error) {
      tell(context, subject, caller.principal, error);
      throw error;
    }
  }

  return {
    runAs,
    run(context, subject, handle) {
      const caller = enter(context, subject);
      if (caller instanceof Promise) return caller.then((known) => runAs(known, context, subject, handle));
      return runAs(caller, context, subject, handle);
    },
  };
}

const NOBODY: Principal = {
  name: 'anonymous',
  grants: { register: [], read: [], namespaces: [] },
  untilMs: Infinity,
  isBounded: true,
};

const EVERYBODY: Caller = createCaller({ ...NOBODY, grants: ALL_GRANTS, isBounded: false });

function createCaller({ name, grants, untilMs, isBounded }: Principal): Caller {
  /** Who has shown nothing is asked for it; who has is told that it does not do. */
  function refuse(message: string): never {
    if (name === NOBODY.name) throw unauthenticated(`a token is needed: authorization: Bearer <token> (${message})`);
    throw new ConnectError(`${name} ${message}`, Code.PermissionDenied);
  }

  function requireReader(): void {
    if (grants.read.length === 0) refuse('may see nothing');
  }

  const mayRead = (service: string): boolean => covers(grants.read, service);

  function requireNamespace(namespace: string): void {
    if (!covers(grants.namespaces, namespace)) refuse(`has no rights in the namespace ${namespace}`);
  }

  function requireRegister(namespace: string, services: readonly string[]): void {
    requireNamespace(namespace);
    const denied = services.find((service) => !covers(grants.register, service));
    if (denied !== undefined) refuse(`may not register ${denied}`);
  }

  return {
    principal: name,
    isBounded,
    untilMs,
    requireNamespace,
    requireRegister,
    requireReader,
    requireWriter() {
      if (grants.register.length === 0) refuse('may register nothing');
    },
    requireLease({ principal, namespace, record }) {
      if (principal !== name) refuse('did not register this lease');
      requireRegister(namespace.name, record.endpoint.services);
    },
    mayRead: grants.read.includes('*') ? undefined : mayRead,
    maySee({ namespace, record }) {
      return covers(grants.namespaces, namespace.name) && record.endpoint.services.some(mayRead);
    },
    requireRead(namespace, services) {
      requireNamespace(namespace);
      requireReader();
      const denied = services.find((service) => !mayRead(service));
      if (denied !== undefined) refuse(`may not see ${denied}`);
    },
  };
}
