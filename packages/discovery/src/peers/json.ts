/** What JSON calls an object; of unknown content. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** Narrows what came off the wire. */
export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The object at a key of its own, or an empty one. */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  return isObject(value) ? value : {};
}

/** The text at a key of its own, or an empty one. */
export function textAt(object: JsonObject, key: string): string {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  return typeof value === 'string' ? value : '';
}

/** The number at a key of its own, also when it is written as text; NaN where there is none. */
export function numberAt(object: JsonObject, key: string): number {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^-?[0-9]+$/.test(value) ? Number(value) : NaN;
}

/** The elements at a key; one that stands there by itself is a list of one, as writers of XML make it. */
export function listAt(object: JsonObject, key: string): readonly unknown[] {
  const value = Object.hasOwn(object, key) ? object[key] : undefined;
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value : [value];
}

/** The pairs of an object whose values are texts. */
export function textsOf(object: JsonObject): Record<string, string> {
  return Object.fromEntries(
    Object.entries(object).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
  );
}
