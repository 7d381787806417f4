import { BIND, ETCD, REDIS, ZOOKEEPER } from './provide/debian.ts';
import { CONSUL, KUBERNETES } from './provide/go.ts';
import { EUREKA, NACOS } from './provide/maven.ts';
import { folderOf, isWhole, whyNot, type Recipe } from './provide/recipe.ts';

/** Every server that tests run against, and how its program is had. */
export const RECIPES = {
  etcd: ETCD,
  zookeeper: ZOOKEEPER,
  dns: BIND,
  consul: CONSUL,
  kubernetes: KUBERNETES,
  eureka: EUREKA,
  nacos: NACOS,
  redis: REDIS,
} as const;

export type ServerName = keyof typeof RECIPES;

export const SERVER_NAMES = Object.keys(RECIPES) as readonly ServerName[];

type ProgramsOf<Name extends ServerName> = (typeof RECIPES)[Name] extends Recipe<infer Programs> ? Programs : never;

/** Whether the server can be started here; says loudly by name what is not tested otherwise. For `describe.skipIf(!canStart('etcd'))`. */
export function canStart(name: ServerName): boolean {
  const recipe = RECIPES[name];
  const can = isWhole(name, recipe);
  if (!can) process.emitWarning(`NOT TESTED: ${name}, since its server is missing: ${whyNot(name, recipe)}`);
  return can;
}

/** Where the programs of a server are. Throws with the reason when they are not. */
export function programs<Name extends ServerName>(name: Name): ProgramsOf<Name> {
  const recipe = RECIPES[name] as Recipe<ProgramsOf<Name>>;
  if (!isWhole(name, recipe)) throw new Error(`${name} cannot be started: ${whyNot(name, recipe)}`);
  return recipe.locate(folderOf(name, recipe));
}
