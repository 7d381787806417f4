import { AsyncLocalStorage } from 'node:async_hooks';
import { isIP } from 'node:net';
import { resolveBalancing } from '@bascule/balancer';
import { callError, Code, type CallError, type Service } from '@bascule/core';
import type { EndpointDefaults } from '@bascule/discovery';
import type { LinkTls, LinkTlsSource } from '@bascule/wire';
import type { Backend } from './backend.ts';
import { createCallStack, limitsOf } from './call-stack.ts';
import type { EndpointTls } from './channel/endpoint-tls.ts';
import { createLinks, type Links } from './channel/links.ts';
import { createLoads } from './channel/loads.ts';
import { PendingCall } from './channel/pending-call.ts';
import { createPick, type EndpointPick } from './channel/pick.ts';
import { ANY_SERVICE, ServiceClusters } from './discovery/clusters.ts';
import type { Following } from './discovery/follow-endpoints.ts';
import { CLOSED } from './link-backend.ts';
import type { NodeTransportOptions, TransportDiscovery } from './options.ts';
import { ProcessHold } from './process-hold.ts';
import { refuse } from './refusal.ts';
import { balancingOfServiceConfig, healthCheckOf } from './service-config.ts';
import type { TransportSettings } from './settings.ts';
import type { Target } from './target.ts';

/**
 * - `new`: nobody has called.
 * - `asking`: the sources are opened, and have a moment to answer; calls wait in `early`.
 * - `open`: calls go to their endpoints.
 * - `failed`: the options name a source that cannot be; every call is told so.
 */
type State =
  | { readonly name: 'new' | 'asking' | 'open' | 'closed' }
  | { readonly name: 'failed'; readonly error: CallError };

/** Many endpoints, known by discovery, balanced, and called through the same layers as those of a gateway. */
export class DiscoveryBackend implements Backend {
  // The stack does, and knows more of it.
  readonly isRepeatable = false;
  readonly saysTimeout = true;
  readonly #options: NodeTransportOptions;
  readonly #discovery: TransportDiscovery;
  readonly #settings: TransportSettings;
  readonly #tls: EndpointTls | undefined;
  readonly #hold = new ProcessHold();
  readonly #links: Links;
  readonly #clusters: ServiceClusters;
  readonly #pick: EndpointPick;
  readonly #stack: Service;
  readonly #early = new Set<PendingCall>();
  /** Where the transport was made: what goes on for all calls must not count as part of the first one. */
  readonly #outside = AsyncLocalStorage.snapshot();
  #state: State = { name: 'new' };
  #following: Promise<Following | undefined> = Promise.resolve(undefined);
  #followed: Following | undefined = undefined;
  #calls = 0;
  #onQuiet: (() => void) | undefined = undefined;

  constructor(
    options: NodeTransportOptions,
    discovery: TransportDiscovery,
    settings: TransportSettings,
    target: Target,
  ) {
    this.#options = options;
    this.#discovery = discovery;
    this.#settings = settings;
    const { clock, connectWaitMs, useBinaryFormat } = settings;
    this.#tls = tlsOf(options, target);
    const loads = createLoads(clock);
    const configured = balancingOfServiceConfig(settings.serviceConfig?.loadBalancing ?? []);
    this.#links = createLinks({
      clock,
      onRetired: (key) => loads.retire(key),
      http2: { holdsProcess: false, keepaliveMs: options.keepaliveMs ?? 0 },
      connect: { get: () => options.useHttpGet ?? false, maxMessageBytes: settings.readMaxBytes },
    });
    this.#clusters = new ServiceClusters({
      clock,
      balancing: resolveBalancing({
        ...configured,
        ...options.balancing,
      }),
      codec: useBinaryFormat ? 'proto' : 'json',
      links: this.#links,
      tls: this.#tls,
      loads,
      onReady: (service) => this.#pick.wake(service),
    });
    const limits = limitsOf(options);
    this.#pick = createPick({
      clock,
      findBalancer: (service) => this.#clusters.find(service),
      connectTimeoutMs: () => connectWaitMs,
      maxPending: () => Infinity,
      limitsOf: () => limits,
      why: (service) => this.#why(service),
    });
    this.#stack = createCallStack(options, settings, this.#pick.service, this.#pick.service);
  }

  readonly service: Service = (head, reply) => {
    const { service } = this.#discovery;
    if (service !== undefined) head.call.cluster = service;
    const state = this.#state;
    if (state.name === 'open') return this.#stack(head, reply);
    if (state.name === 'closed') return refuse(reply, CLOSED);
    if (state.name === 'failed') return refuse(reply, state.error);
    if (state.name === 'new') this.#ask();
    const call: PendingCall = new PendingCall(reply, () => this.#early.delete(call));
    call.retry = () => {
      call.start((inner) => this.#stack(head, inner));
      return true;
    };
    this.#early.add(call);
    return call;
  };

  redial(): void {}

  enter(): void {
    if (++this.#calls === 1) this.#hold.take();
  }

  leave(): void {
    if (--this.#calls > 0) return;
    this.#hold.letGo();
    this.#onQuiet?.();
  }

  async close(): Promise<void> {
    this.#state = { name: 'closed' };
    // Otherwise a program that waits for this, and holds nothing else, would end here.
    this.#hold.take();
    if (this.#calls > 0) await new Promise<void>((resolve) => (this.#onQuiet = resolve));
    const following = await this.#following;
    await Promise.all([this.#clusters.close(), following?.close()]);
    this.#links.destroy();
    this.#hold.end();
  }

  #ask(): void {
    this.#state = { name: 'asking' };
    this.#following = this.#outside(() => this.#follow());
  }

  async #follow(): Promise<Following | undefined> {
    try {
      // Loaded when it is asked for: who calls one server does not pay for it.
      const { followEndpoints } = await import('./discovery/follow-endpoints.ts');
      const following = await followEndpoints({
        discovery: this.#discovery,
        defaults: this.#defaults(),
        clock: this.#settings.clock,
        check: this.#discovery.healthCheck ?? healthCheckOf(this.#settings.serviceConfig),
        tls: this.#tls,
        onChange: (changes) => this.#clusters.apply(changes),
      });
      this.#followed = following;
      void following.heard.then(() => this.#open());
      return following;
    } catch (error) {
      const message = `discovery cannot begin: ${(error as Error).message}`;
      this.#fail({ ...callError(Code.internal, message, 'never-sent'), final: true });
      return undefined;
    }
  }

  #open(): void {
    if (this.#state.name === 'asking') this.#state = { name: 'open' };
    for (const call of this.#early) call.retry();
    this.#early.clear();
  }

  #fail(error: CallError): void {
    if (this.#state.name === 'asking') this.#state = { name: 'failed', error };
    for (const call of this.#early) call.fail(error);
    this.#early.clear();
  }

  #why(service: string): string {
    const problem = this.#followed?.problem() ?? '';
    return `${this.#clusters.problem(service)}${problem === '' ? '' : `; ${problem}`}`;
  }

  #defaults(): EndpointDefaults {
    const { protocol = 'grpc', httpVersion = '2' } = this.#options;
    const { service = ANY_SERVICE } = this.#discovery;
    return {
      services: [service],
      protocol: protocol === 'grpc' || httpVersion === '2' ? protocol : `${protocol}+http1`,
      codecs: this.#settings.useBinaryFormat ? ['proto'] : ['proto', 'json'],
      schemaDigest: '',
    };
  }
}

/**
 * The base URL's name is the one that all endpoints answer to, whatever their addresses. Who says how to speak TLS, and
 * not to whom, means all of them.
 */
function tlsOf({ baseUrl, tls: given }: NodeTransportOptions, { scheme, host }: Target): EndpointTls | undefined {
  const required = scheme === 'https' || (baseUrl === undefined && given !== undefined);
  if (!required && given === undefined) return undefined;
  const source = withName(given ?? {}, scheme === 'https' && isIP(host) === 0 ? host : undefined);
  return { name: 'options', required, current: typeof source === 'function' ? source : () => source };
}

/** The same with that name where it has none. */
function withName(source: LinkTlsSource, servername: string | undefined): LinkTlsSource {
  if (servername === undefined) return source;
  if (typeof source !== 'function') return { servername, ...source };
  let before: LinkTls | undefined;
  let named: LinkTls = {};
  return () => {
    const next = source();
    if (next !== before) named = { servername, ...next };
    before = next;
    return named;
  };
}
