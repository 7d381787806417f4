import { SpecError } from '../spec.ts';
import { serversOf } from './hosts.ts';

/** A system's URL, taken apart. */
export interface SystemUrl {
  /** `http://host:port`, or `https://host:port` where the scheme ends in `+https`; several for several servers. */
  readonly origins: readonly string[];
  /** Of the path, decoded, without empty ones. */
  readonly segments: readonly string[];
  /** The value of a parameter that is given once. */
  one(name: string): string | undefined;
  all(name: string): readonly string[];
  /** A duration; throws SpecError when it is not a whole number within the bounds. */
  ms(name: string, bounds: { readonly default: number; readonly min: number; readonly max: number }): number;
  /** One of some words, the first when it is not given. */
  word<Word extends string>(name: string, words: readonly [Word, ...Word[]]): Word;
}

/** Throws SpecError for a URL with credentials, a fragment, no host, or a parameter that is not known. */
export function readSystemUrl(url: URL, known: { port: number; parameters: readonly string[] }): SystemUrl {
  const refuse = (why: string): never => {
    throw new SpecError(`${url.href}: ${why}`);
  };
  const servers = serversOf(url, known.port);
  const scheme = url.protocol.endsWith('+https:') ? 'https' : 'http';
  for (const name of url.searchParams.keys()) {
    if (!known.parameters.includes(name)) refuse(`"${name}" is none of ${known.parameters.join(', ')}`);
  }

  function one(name: string): string | undefined {
    const values = url.searchParams.getAll(name);
    if (values.length > 1) refuse(`"${name}" is given ${values.length} times`);
    if (values[0] === '') refuse(`"${name}" is given without a value`);
    return values[0];
  }

  return {
    origins: servers.map((server) => `${scheme}://${server}`),
    segments: url.pathname
      .split('/')
      .filter((segment) => segment !== '')
      .map((segment) => decode(segment) ?? refuse(`"${segment}" is not well encoded`)),
    one,
    all: (name) => url.searchParams.getAll(name),
    ms(name, bounds) {
      const text = one(name);
      if (text === undefined) return bounds.default;
      const value = /^[0-9]{1,9}$/.test(text) ? Number(text) : NaN;
      if (value >= bounds.min && value <= bounds.max) return value;
      return refuse(`"${name}" must be ${bounds.min} to ${bounds.max} (milliseconds), and is ${JSON.stringify(text)}`);
    },
    word(name, words) {
      const text = one(name) ?? words[0];
      const word = words.find((candidate) => candidate === text);
      return word ?? refuse(`"${name}" must be ${words.join(' or ')}, and is ${JSON.stringify(text)}`);
    },
  };
}

function decode(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}
