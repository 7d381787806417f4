/**
 * Header and trailer fields: ordered pairs, kept flat as `[name, value, name, value, ...]`. Names are lower-case,
 * duplicates and their order are kept, values are strings of octets (latin1), `-bin` values stay base64 as received.
 * Flat arrays are what Node's parser gives, cost one allocation, and cross threads as they are.
 */
export type Fields = readonly string[];

/** No fields; shared, so never pushed to. */
export const NO_FIELDS: Fields = Object.freeze([]) as readonly string[];

/** First value of a name, or undefined. `name` must be lower-case. */
export function getField(fields: Fields, name: string): string | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) return fields[i + 1];
  }
  return undefined;
}

/** All values of a name in order. */
export function getAllFields(fields: Fields, name: string): string[] {
  const values: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) values.push(fields[i + 1] as string);
  }
  return values;
}

/** A copy in which `name` stands once with `value`, at its first place or at the end. */
export function withField(fields: Fields, name: string, value: string): string[] {
  // In one step: a list that grows is copied as it does.
  if (getField(fields, name) === undefined) return [...fields, name, value];
  const copy: string[] = [];
  let placed = false;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] !== name) {
      copy.push(fields[i] as string, fields[i + 1] as string);
    } else if (!placed) {
      placed = true;
      copy.push(name, value);
    }
  }
  if (!placed) copy.push(name, value);
  return copy;
}

/** A copy without any field of the given names. */
export function withoutFields(fields: Fields, names: ReadonlySet<string>): string[] {
  const copy: string[] = [];
  for (let i = 0; i < fields.length; i += 2) {
    if (!names.has(fields[i] as string)) copy.push(fields[i] as string, fields[i + 1] as string);
  }
  return copy;
}
