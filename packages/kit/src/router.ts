import type { DescService } from '@bufbuild/protobuf';
import {
  createConnectRouter,
  createMethodImplSpec,
  createServiceImplSpec,
  type ConnectRouter,
  type MethodImplSpec,
} from '@connectrpc/connect';
import { createMethod, type MethodDefaults } from './create-method.ts';
import type { Method } from './method.ts';

/** What route functions have registered. */
export interface Registered {
  /** By path, `/package.Service/Method`. Of two for one path the later counts. */
  readonly methods: ReadonlyMap<string, Method>;
  /** In the order of registration. */
  readonly services: readonly DescService[];
}

type ServiceOptions = Parameters<ConnectRouter['service']>[2];

/** Runs route functions against a router that only takes down what they say. */
export function collectRoutes(routes: (router: ConnectRouter) => void, defaults: MethodDefaults): Registered {
  const methods = new Map<string, Method>();
  const services = new Set<DescService>();
  /** The same words for connect's own router, in case somebody asks for its handlers. */
  const repeats: ((router: ConnectRouter) => void)[] = [];

  function add(spec: MethodImplSpec, options: ServiceOptions): void {
    const { method } = spec;
    services.add(method.parent);
    methods.set(`/${method.parent.typeName}/${method.name}`, createMethod(spec, { ...defaults, ...options }));
  }

  const router: ConnectRouter = {
    get handlers() {
      const theirs = createConnectRouter(defaults);
      for (const repeat of repeats) repeat(theirs);
      return theirs.handlers;
    },
    service(service, implementation, options) {
      repeats.push((theirs) => theirs.service(service, implementation, options));
      for (const spec of Object.values(createServiceImplSpec(service, implementation).methods)) add(spec, options);
      return router;
    },
    rpc(method, implementation, options) {
      repeats.push((theirs) => theirs.rpc(method, implementation, options));
      add(createMethodImplSpec(method, implementation), options);
      return router;
    },
  };
  routes(router);
  return { methods, services: [...services] };
}
