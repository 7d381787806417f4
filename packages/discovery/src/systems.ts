import { refuseUnusedTls } from './peers/hosts.ts';
import type { Source } from './source.ts';
import { createRegistrar, type Registrar, type RegistrarOptions } from './registrar.ts';
import type { OpenRegistrar, RegistrationOptions } from './registrars/registration.ts';
import { createSource } from './sources/create-source.ts';
import type { OpenSource } from './sources/feed.ts';
import { SpecError, type SourceOptions, type SystemOptions } from './spec.ts';

interface System {
  readonly source?: () => Promise<OpenSource<SourceOptions>>;
  readonly registrar?: () => Promise<OpenRegistrar>;
}

const REGISTRY: System = {
  source: async () => (await import('./sources/registry.ts')).openRegistrySource,
  registrar: async () => (await import('./registrars/registry.ts')).openRegistryRegistrar,
};

const ETCD: System = {
  source: async () => (await import('./sources/etcd.ts')).openEtcdSource,
  registrar: async () => (await import('./registrars/etcd.ts')).openEtcdRegistrar,
};

const CONSUL: System = {
  source: async () => (await import('./sources/consul.ts')).openConsulSource,
  registrar: async () => (await import('./registrars/consul.ts')).openConsulRegistrar,
};

const KUBERNETES: System = {
  source: async () => (await import('./sources/kubernetes.ts')).openKubernetesSource,
};

const DNS: System = { source: async () => (await import('./sources/dns.ts')).openDnsSource };
const FILE: System = { source: async () => (await import('./sources/file.ts')).openFileSource };
const ENVIRONMENT: System = { source: async () => (await import('./sources/env.ts')).openEnvSource };
const STATIC: System = { source: async () => (await import('./sources/static.ts')).openStaticSource };

const ZOOKEEPER: System = {
  source: async () => (await import('./sources/zookeeper.ts')).openZookeeperSource,
  registrar: async () => (await import('./registrars/zookeeper.ts')).openZookeeperRegistrar,
};

const EUREKA: System = {
  source: async () => (await import('./sources/eureka.ts')).openEurekaSource,
  registrar: async () => (await import('./registrars/eureka.ts')).openEurekaRegistrar,
};

const XDS: System = {
  source: async () => (await import('./sources/xds.ts')).openXdsSource,
};

const NACOS: System = {
  source: async () => (await import('./sources/nacos.ts')).openNacosSource,
  registrar: async () => (await import('./registrars/nacos.ts')).openNacosRegistrar,
};

/** Every system by the scheme of its URLs. Loaded when it is asked for: nobody pays for what is not used. */
const SYSTEMS: ReadonlyMap<string, System> = new Map<string, System>([
  ['http', REGISTRY],
  ['https', REGISTRY],
  ['etcd', ETCD],
  ['etcd+https', ETCD],
  ['zookeeper', ZOOKEEPER],
  ['zookeeper+tls', ZOOKEEPER],
  ['consul', CONSUL],
  ['consul+https', CONSUL],
  ['eureka', EUREKA],
  ['eureka+https', EUREKA],
  ['nacos', NACOS],
  ['nacos+https', NACOS],
  ['kubernetes', KUBERNETES],
  ['xds', XDS],
  ['xds+https', XDS],
  ['dns', DNS],
  ['dns+srv', DNS],
  ['file', FILE],
  ['env', ENVIRONMENT],
  ['static', STATIC],
]);

/** Opens the source that a URL names. Throws SpecError, with the schemes that there are. */
export async function openSource(options: SourceOptions): Promise<Source> {
  const open = systemOf(options).source;
  if (open === undefined) throw new SpecError(`${options.url.protocol}// cannot be asked who is there`);
  const driver = (await open())(options);
  return createSource({ driver, clock: options.clock, schemas: options.schemas });
}

/** Begins to register with the system that a URL names. Throws SpecError. */
export async function openRegistrar(
  options: RegistrationOptions & Omit<RegistrarOptions, 'driver'>,
): Promise<Registrar> {
  const open = systemOf(options).registrar;
  if (open === undefined) throw new SpecError(`${options.url.protocol}// cannot be registered with`);
  return createRegistrar({ ...options, driver: (await open())(options) });
}

function systemOf({ url, credentials }: Pick<SystemOptions, 'url' | 'credentials'>): System {
  const scheme = url.protocol.slice(0, -1);
  const system = SYSTEMS.get(scheme);
  if (system === undefined) {
    throw new SpecError(`"${scheme}:" is no scheme of a discovery system; there are ${[...SYSTEMS.keys()].join(', ')}`);
  }
  if (url.username !== '' || url.password !== '') {
    throw new SpecError(`the URL of ${url.host} names a user: URLs are shown, give credentials by themselves`);
  }
  const secure = [`${scheme}s`, `${scheme}+https`, `${scheme}+tls`].find((name) => SYSTEMS.has(name));
  if (secure !== undefined) refuseUnusedTls(url, credentials, secure);
  return system;
}
