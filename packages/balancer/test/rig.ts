import {
  createCallContext,
  endpointKey,
  type Endpoint,
  type Link,
  type RequestHead,
  type Service,
} from '@bascule/core';

/** A link whose readiness and end a test decides. */
export interface TestLink extends Link {
  readonly endpoint: Endpoint;
  readonly life: 'open' | 'closing' | 'closed' | 'destroyed';
  setReady(ready: boolean): void;
  /** Lets `close` resolve: the last call has ended. */
  finish(): void;
}

const silent: Service = () => ({ write() {}, end() {}, cancel() {}, grant() {} });

/** Links by endpoint key, the newest for each. */
export function createLinks(readyAtOnce = true): { connect: (endpoint: Endpoint) => TestLink; all: TestLink[] } {
  const all: TestLink[] = [];
  return {
    all,
    connect(endpoint) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let ready = readyAtOnce;
      let life: TestLink['life'] = 'open';
      let listener: ((ready: boolean) => void) | undefined;
      const link: TestLink = {
        endpoint,
        service: silent,
        get life() {
          return life;
        },
        isReady: () => ready,
        onReadyChange: (fn) => void (listener = fn),
        close() {
          life = 'closing';
          return promise;
        },
        destroy: () => void (life = 'destroyed'),
        setReady(value) {
          if (ready === value) return;
          ready = value;
          listener?.(value);
        },
        finish() {
          life = 'closed';
          resolve();
        },
      };
      all.push(link);
      return link;
    },
  };
}

export function endpointOf(instanceId: string, overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    instanceId,
    incarnation: 1,
    host: '127.0.0.1',
    port: 1,
    protocol: 'grpc',
    codecs: ['proto'],
    weight: 1,
    priority: 0,
    zone: '',
    services: [],
    schemaDigest: '',
    moduleVersion: '',
    labels: {},
    ...overrides,
  };
}

export const keyOf = (instanceId: string): string => endpointKey({ instanceId, incarnation: 1 });

export function headOf(tried: readonly string[] = []): RequestHead {
  const call = createCallContext('1', 0, '127.0.0.1');
  call.tried.push(...tried);
  return { method: 'POST', path: '/a.B/C', authority: '', scheme: 'http', fields: [], call };
}
