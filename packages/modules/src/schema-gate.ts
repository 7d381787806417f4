import { methodFactsOf } from '@bascule/schema';
import { ModuleRefused } from './refusal.ts';

/** What a version answers: the names it registered, and descriptors (a FileDescriptorSet) that may hold more. */
export interface ServedSchema {
  readonly services: readonly string[];
  readonly schema: Uint8Array;
}

export interface GateInput {
  readonly candidate: ServedSchema;
  /** What the current version of the same module serves. */
  readonly current: ServedSchema | undefined;
  /** What the current versions of other modules serve, by module. */
  readonly others: ReadonlyMap<string, readonly string[]>;
}

/** Throws ModuleRefused when callers of today would lose something, or two modules would answer for one service. */
export function validateSchema({ candidate, current, others }: GateInput): void {
  validateServices(candidate, others);
  const [loss] = current === undefined ? [] : lossesBetween(candidate, current);
  if (loss !== undefined) throw new ModuleRefused(`${loss.what} ${loss.problem}`, loss.advice);
}

/** Throws ModuleRefused when two modules would answer for one service. */
export function validateServices(candidate: ServedSchema, others: GateInput['others']): void {
  for (const [module, services] of others) {
    const taken = candidate.services.find((service) => services.includes(service));
    if (taken !== undefined) {
      throw new ModuleRefused(
        `service ${taken} is served by the module "${module}"`,
        'Let one module serve it, or give the service another name',
      );
    }
  }
}

/** Something that callers of a version may use and another one has not, or not in this way. */
export interface Loss {
  /** As in `method demo.ranking.v1.RankingService/Rank`. */
  readonly what: string;
  readonly problem: string;
  readonly advice: string;
}

/** What callers of `current` would lose with `candidate`: whole services first. */
export function lossesBetween(candidate: ServedSchema, current: ServedSchema): Loss[] {
  const lost = current.services.filter((service) => !candidate.services.includes(service));
  const services = lost.map((service) => ({
    what: `service ${service}`,
    problem: 'is in use and missing in this version',
    advice: 'Register it with the router, as the current version does',
  }));
  const kinds = new Map(factsOf(candidate).map((fact) => [`${fact.service}/${fact.method}`, fact.kind]));
  const methods = factsOf(current)
    .filter(({ service }) => !lost.includes(service))
    .flatMap((fact) => lossOf(fact, kinds.get(`${fact.service}/${fact.method}`)));
  return [...services, ...methods];
}

function lossOf({ service, method, kind }: Facts, nextKind: Facts['kind'] | undefined): Loss[] {
  const what = `method ${service}/${method}`;
  if (nextKind === kind) return [];
  if (nextKind === undefined) {
    const problem = 'is in use and missing in this version';
    return [{ what, problem, advice: 'Keep it in the .proto until nobody calls it' }];
  }
  const problem = `is in use as ${kind} and this version makes it ${nextKind}`;
  return [{ what, problem, advice: 'Add a method of another name instead' }];
}

type Facts = ReturnType<typeof methodFactsOf>[number];

function factsOf(served: ServedSchema): Facts[] {
  return methodFactsOf(served.schema).filter((fact) => served.services.includes(fact.service));
}
