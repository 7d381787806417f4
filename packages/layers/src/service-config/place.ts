/** What is wrong with a service config, and where: `methodConfig[0].timeout`. */
export interface ConfigProblem {
  /** Empty for the whole of it. */
  readonly path: string;
  readonly message: string;
}

/** Bounds of a number. */
interface Range {
  readonly above?: number;
  readonly atLeast?: number;
  readonly atMost?: number;
}

/**
 * A value in a JSON document, and where it stands. What is read of it is either right or undefined, and what is wrong is
 * noted. A null is absent, as in proto3's JSON.
 */
export class Place {
  readonly path: string;
  readonly #value: unknown;
  readonly #problems: ConfigProblem[];

  constructor(value: unknown, path: string, problems: ConfigProblem[]) {
    this.#value = value ?? undefined;
    this.path = path;
    this.#problems = problems;
  }

  isThere(): boolean {
    return this.#value !== undefined;
  }

  problem(message: string): undefined {
    this.#problems.push({ path: this.path, message });
  }

  /** This, if it is there. */
  required(): this {
    if (!this.isThere()) this.problem('is missing');
    return this;
  }

  /** True for an object, false for nothing or for something else. */
  isObject(): boolean {
    if (!this.isThere()) return false;
    if (typeof this.#value === 'object' && !Array.isArray(this.#value)) return true;
    this.problem(`must be an object, not ${shown(this.#value)}`);
    return false;
  }

  /** Absent where this is no object. */
  field(name: string): Place {
    const path = this.path === '' ? name : `${this.path}.${name}`;
    const object = this.#value;
    // Only what the document says itself: it may name anything, such as "constructor".
    const isOwn = typeof object === 'object' && object !== null && Object.hasOwn(object, name);
    return new Place(isOwn ? (object as Record<string, unknown>)[name] : undefined, path, this.#problems);
  }

  /** Names of the fields of an object. */
  names(): string[] {
    return this.isObject() ? Object.keys(this.#value as object) : [];
  }

  /** None where this is no list. */
  items(): Place[] {
    if (!this.isThere()) return [];
    if (!Array.isArray(this.#value)) {
      this.problem(`must be a list, not ${shown(this.#value)}`);
      return [];
    }
    return this.#value.map((item: unknown, i) => new Place(item, `${this.path}[${i}]`, this.#problems));
  }

  raw(): unknown {
    return this.#value;
  }

  string(): string | undefined {
    if (!this.isThere() || typeof this.#value === 'string') return this.#value as string | undefined;
    return this.problem(`must be a text, not ${shown(this.#value)}`);
  }

  boolean(): boolean | undefined {
    if (!this.isThere() || typeof this.#value === 'boolean') return this.#value as boolean | undefined;
    return this.problem(`must be true or false, not ${shown(this.#value)}`);
  }

  number(range: Range = {}): number | undefined {
    if (!this.isThere()) return undefined;
    if (typeof this.#value !== 'number') return this.problem(`must be a number, not ${shown(this.#value)}`);
    return this.#within(this.#value, range, this.#value);
  }

  /** A whole number; proto3's JSON writes large ones as texts. */
  integer(range: Range = {}): number | undefined {
    if (!this.isThere()) return undefined;
    const value = this.#value;
    const number = typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;
    if (!Number.isSafeInteger(number)) return this.problem(`must be a whole number, not ${shown(value)}`);
    return this.#within(number as number, range, value);
  }

  /** Milliseconds of a duration of proto3's JSON: seconds with up to nine decimals and an "s", as in "1.5s". */
  durationMs(range: Range = {}): number | undefined {
    if (!this.isThere()) return undefined;
    const text = typeof this.#value === 'string' ? this.#value : '';
    if (!/^-?(\d{1,12}(\.\d{0,9})?|\.\d{1,9})s$/.test(text)) {
      return this.problem(`must be a duration such as "1.5s", not ${shown(this.#value)}`);
    }
    // To the nanosecond: 0.3 times 1000 is no whole number.
    const ms = Math.round(Number(text.slice(0, -1)) * 1e9) / 1e6;
    return this.#within(ms, range, text);
  }

  #within(number: number, { above, atLeast, atMost }: Range, value: unknown): number | undefined {
    if (above !== undefined && !(number > above)) {
      return this.problem(`must be greater than ${above}, not ${shown(value)}`);
    }
    if (atLeast !== undefined && !(number >= atLeast)) {
      return this.problem(`must be ${atLeast} or more, not ${shown(value)}`);
    }
    if (atMost !== undefined && !(number <= atMost)) {
      return this.problem(`must be ${atMost} or less, not ${shown(value)}`);
    }
    return number;
  }
}

/** A value as the document has it, cut short. Options of a program may hold what no document can. */
export function shown(value: unknown): string {
  const isNumber = typeof value === 'number' || typeof value === 'bigint';
  const text = isNumber ? String(value) : (JSON.stringify(value) ?? 'nothing');
  return text.length > 60 ? `${text.slice(0, 60)}...` : text;
}
