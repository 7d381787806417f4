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
  for (const [module, services] of others) {
    const taken = candidate.services.find((service) => services.includes(service));
    if (taken !== undefined) {
      throw new ModuleRefused(
        `service ${taken} is served by the module "${module}"`,
        'Let one module serve it, or give the service another name',
      );
    }
  }
  if (current === undefined) return;
  const lost = current.services.find((service) => !candidate.services.includes(service));
  if (lost !== undefined) {
    throw new ModuleRefused(
      `service ${lost} is in use and missing in this version`,
      'Register it with the router, as the current version does',
    );
  }
  validateMethods(candidate, current);
}

function validateMethods(candidate: ServedSchema, current: ServedSchema): void {
  const kinds = new Map(factsOf(candidate).map((fact) => [`${fact.service}/${fact.method}`, fact.kind]));
  for (const fact of factsOf(current)) {
    const name = `${fact.service}/${fact.method}`;
    const kind = kinds.get(name);
    if (kind === undefined) {
      throw new ModuleRefused(
        `method ${name} is in use and missing in this version`,
        'Keep it in the .proto until nobody calls it',
      );
    }
    if (kind !== fact.kind) {
      throw new ModuleRefused(
        `method ${name} is in use as ${fact.kind} and this version makes it ${kind}`,
        'Add a method of another name instead',
      );
    }
  }
}

function factsOf(served: ServedSchema): ReturnType<typeof methodFactsOf> {
  return methodFactsOf(served.schema).filter((fact) => served.services.includes(fact.service));
}
