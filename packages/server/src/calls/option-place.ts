import type { Place } from '@bascule/layers';

/** Notes each field of an object that has none of these names: a wish that is misspelt must not be lost without a word. */
export function mayHave(place: Place, names: readonly string[]): void {
  for (const name of place.names()) {
    if (!names.includes(name)) place.field(name).problem(`is not known; there is ${names.join(', ')}`);
  }
}

/** One of a few words; undefined where nothing is said. */
export function oneOf<Word extends string>(place: Place, words: readonly Word[]): Word | undefined {
  if (!place.isThere()) return undefined;
  const found = words.find((word) => word === place.raw());
  if (found === undefined) place.problem(`must be ${words.map((word) => `"${word}"`).join(' or ')}`);
  return found;
}

type Said<T> = { [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Without what is undefined, so that it stands over nothing that a wider scope says. */
export function said<T extends object>(parts: T): Said<T> {
  return Object.fromEntries(Object.entries(parts).filter(([, value]) => value !== undefined)) as Said<T>;
}
