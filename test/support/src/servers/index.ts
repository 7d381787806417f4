export { canStart, SERVER_NAMES, type ServerName } from './programs.ts';
export type { RealServer } from './real-server.ts';
export { startEtcd, type EtcdOptions, type EtcdServer } from './etcd.ts';
export { askZookeeper, startZookeeper, type ZookeeperOptions, type ZookeeperServer } from './zookeeper.ts';
export { startDns, type DnsRecord, type DnsServer } from './dns.ts';
export { startRelay, type Relay } from './relay.ts';
export { startConsul, type ConsulOptions, type ConsulServer } from './consul.ts';
export { startKubernetes, type KubernetesServer } from './kubernetes.ts';
export { startEureka, type EurekaOptions, type EurekaServer } from './eureka.ts';
