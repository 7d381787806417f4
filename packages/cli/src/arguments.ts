import { InvalidArgumentError } from 'commander';

/** A URL without the slash at its end, so that paths can be put behind it. */
export function parseHttpUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new InvalidArgumentError('It must be a URL, as in http://127.0.0.1:9090.');
  }
  return url.href.replace(/\/$/, '');
}

/** 0 to 65535. */
export function parsePort(text: string): number {
  return parseWhole(text, 0, 65_535);
}

/** 0 to 64. */
export function parseWorkers(text: string): number {
  return parseWhole(text, 0, 64);
}

/** Seconds above 0, as milliseconds. */
export function parseTimeout(text: string): number {
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (seconds <= 0 || seconds > 86_400) throw new InvalidArgumentError('It must be seconds, above 0 and up to 86400.');
  return seconds * 1000;
}

/** `name: value`, added to those before. */
export function parseHeader(
  text: string,
  before: readonly (readonly [string, string])[] = [],
): (readonly [string, string])[] {
  const match = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x20-\x7e\t]*)$/.exec(text);
  if (match === null) throw new InvalidArgumentError('It must be "name: value" in ASCII.');
  return [...before, [match[1] as string, match[2] as string]];
}

function parseWhole(text: string, from: number, to: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  if (value < from || value > to) throw new InvalidArgumentError(`It must be a whole number from ${from} to ${to}.`);
  return value;
}
