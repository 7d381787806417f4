import { Code, CODE_NAMES } from '@bascule/core';
import { shown, type Place } from './place.ts';

/** gRPC's spelling, by which service configs name codes. */
const CODES: ReadonlyMap<string, Code> = new Map([
  ...CODE_NAMES.map((name, code) => [name.toUpperCase(), code as Code] as const),
  ['CANCELLED', Code.canceled],
]);

/** A list of statuses, as numbers or names in any case, without those that are no failure. */
export function readStatusCodes(list: Place): Code[] {
  const codes = new Set<Code>();
  for (const item of list.items()) {
    const value = item.raw();
    const code = typeof value === 'string' ? CODES.get(value.toUpperCase()) : toCode(value);
    if (code === undefined) item.problem(`must be a status of gRPC, such as "UNAVAILABLE", not ${shown(value)}`);
    else if (code === Code.ok) item.problem('OK is no failure');
    else codes.add(code);
  }
  return [...codes];
}

function toCode(value: unknown): Code | undefined {
  return Number.isInteger(value) && (value as number) in CODE_NAMES ? (value as Code) : undefined;
}
