import { AsyncLocalStorage } from 'node:async_hooks';
import { callError, Code, type CallError, type Service } from '@bascule/core';
import type { EndpointDefaults } from '@bascule/discovery';
import type { Backend } from './backend.ts';
import type { EndpointTls } from './channel/endpoint-tls.ts';
import { PendingCall } from './channel/pending-call.ts';
import { createChannel, type Channel } from './discovery/channel.ts';
import { ANY_SERVICE } from './discovery/clusters.ts';
import type { Following } from './discovery/follow-endpoints.ts';
import { tlsOfOptions } from './discovery/options-tls.ts';
import { CLOSED } from './link-backend.ts';
import type { NodeTransportOptions, TransportDiscovery } from './options.ts';
import { ProcessHold } from './process-hold.ts';
import { refuse } from './refusal.ts';
import { healthCheckOf } from './service-config.ts';
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
  readonly #channel: Channel;
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
    this.#tls = tlsOfOptions(options, target);
    const sourceProblem = (): string => this.#followed?.problem() ?? '';
    this.#channel = createChannel({ options, settings, tls: this.#tls, sourceProblem });
  }

  readonly service: Service = (head, reply) => {
    const { service } = this.#discovery;
    if (service !== undefined) head.call.cluster = service;
    const state = this.#state;
    if (state.name === 'open') return this.#channel.service(head, reply);
    if (state.name === 'closed') return refuse(reply, CLOSED);
    if (state.name === 'failed') return refuse(reply, state.error);
    if (state.name === 'new') this.#ask();
    const call: PendingCall = new PendingCall(reply, () => this.#early.delete(call));
    call.retry = () => {
      call.start((inner) => this.#channel.service(head, inner));
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
    await Promise.all([this.#channel.close(), following?.close()]);
    this.#channel.destroy();
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
        onChange: (changes) => this.#channel.apply(changes),
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
