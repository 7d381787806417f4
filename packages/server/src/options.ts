import type { Credentials, RegistrarEvent } from '@bascule/discovery';
import type { KitOptions } from '@bascule/kit';
import type { ListenTls } from '@bascule/wire';
import type { ServeCalls } from './calls/options.ts';

/** Where a server makes itself known, and with what. */
export interface ServeRegistry extends Credentials {
  /**
   * A registry, as in `http://127.0.0.1:7070`, or another system, as in `consul://127.0.0.1:8500`: docs/discovery.md
   * lists the schemes.
   */
  url: string;
  /** How long the server counts as alive without a word. Default 15,000, 1,000 to 600,000 ms. Renewed at a third. */
  ttlMs?: number;
}

export interface ServeOptions extends Omit<KitOptions, 'layerOf'> {
  /** Address to listen on. Default 127.0.0.1. */
  host?: string;
  /** Default 0: a free one, told in `Server.port`. */
  port?: number;
  /** PEM texts. With them the port speaks TLS only. Default: plain HTTP. */
  tls?: ListenTls;
  /** The host that others reach this server by; needed when `host` is all addresses. Default `host`. */
  advertiseHost?: string;
  /** One, or several that know nothing of each other: it registers with all. Default: registers nowhere. */
  registry?: ServeRegistry | readonly ServeRegistry[];
  /** Stable over restarts, to be known as the same instance. Default host, port and chance. */
  instanceId?: string;
  /** Must grow with each start of the instance. Default milliseconds since 1970. */
  incarnation?: number;
  /** Relative share of calls, 0 to 65,535; 0 takes no new calls. Default 1. */
  weight?: number;
  zone?: string;
  labels?: Readonly<Record<string, string>>;
  /** Version of what is served, shown with the endpoint. Default none. */
  version?: string;
  /**
   * How calls are treated: limits, faults, cache, timeouts. With it, empty too, the method options of the protos hold.
   * Default: they reach their handlers as they come, at no cost, since a gateway before the server has treated them.
   */
  calls?: ServeCalls;
  /** How long open calls may go on after `close`, before they are cut. Default 30,000 ms. */
  drainTimeoutMs?: number;
  /** Between deregistration and the end of listening, so that whoever watches has heard of it. Default 500 ms. */
  propagationMs?: number;
  /** What happens to the registration and at the end, for logs. */
  onEvent?(event: ServerEvent): void;
}

/** What happened to the registration at the registry of this URL. */
export type RegistrationEvent = RegistrarEvent & { readonly registry: string };

/** Beside the registration: `draining` once the server takes no new connections, with the calls still open. */
export type ServerEvent = RegistrationEvent | { readonly type: 'draining'; readonly openCalls: number };
