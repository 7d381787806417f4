import { measureCrowd } from '../discovery/crowd.ts';
import { measureRollingRestart } from '../discovery/rolling-restart.ts';
import { measureRouting } from '../discovery/routing.ts';
import { CONSUL, ETCD, listSystems, REGISTRY } from '../discovery/systems.ts';
import type { Work } from '../work.ts';

/** How soon it is known who came and who died, and what a crowd costs, over every system that can be had here. */
export const runDiscovery: Work = async (context) => {
  const { flags, print } = context;
  const isWanted = (name: string): boolean => flags.subjects?.includes(name) ?? true;
  const systems = listSystems(print).filter(({ name }) => isWanted(name));
  const wrong: string[] = [];
  for (const system of systems) wrong.push(...(await measureRouting(context, system)));
  const size = flags.quick
    ? { instances: 500, watchers: 10, restarted: 50 }
    : { instances: 10_000, watchers: 100, restarted: 1_000 };
  for (const system of [REGISTRY, ETCD, CONSUL]) {
    if (systems.includes(system)) wrong.push(...(await measureCrowd(context, system, size)));
  }
  if (isWanted(REGISTRY.name)) wrong.push(...(await measureRollingRestart(context, flags.quick ? 50 : 1_000)));
  return wrong;
};
