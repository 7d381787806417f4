import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';

/** A value of a YAML or JSON text that knows where it stands. */
export interface Placed {
  /** As JSON would hold it. */
  readonly value: unknown;
  /** `LINE:COLUMN`, from 1. */
  readonly place: string;
  /** As in `endpoints[2].port`; empty for the whole. */
  readonly path: string;
  /** Elements of a list, undefined for what is none. */
  elements(): readonly Placed[] | undefined;
  /** Fields of a map by their names, undefined for what is none. */
  fields(): ReadonlyMap<string, Placed> | undefined;
}

/** Something in a text that is wrong; the message has place and path in front. */
export class PlacedError extends Error {
  override readonly name = 'PlacedError';

  constructor({ place, path }: Pick<Placed, 'place' | 'path'>, message: string) {
    super(`${place}${path === '' ? '' : ` ${path}`}: ${message}`);
  }
}

/** Aliases that may be resolved before the text is taken for one that is made to exhaust memory. */
const MAX_ALIASES = 100;

/** Reads YAML 1.2, of which JSON is a part. Throws PlacedError. */
export function parsePlaced(text: string): Placed {
  const lines = new LineCounter();
  const placeOf = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${Math.max(1, line)}:${Math.max(1, col)}`;
  };
  try {
    const options = { lineCounter: lines, prettyErrors: false, uniqueKeys: true, logLevel: 'error' } as const;
    const document = parseDocument(text, options);
    const problem = [...document.errors, ...document.warnings][0];
    if (problem !== undefined) throw new PlacedError({ place: placeOf(problem.pos[0]), path: '' }, wordsOf(problem));
    return place(document, document.contents, '', { value: document.toJS({ maxAliasCount: MAX_ALIASES }), placeOf });
  } catch (error) {
    if (error instanceof PlacedError) throw error;
    // Too many aliases: thrown without a position.
    throw new PlacedError({ place: '1:1', path: '' }, wordsOf(error as Error));
  }
}

function wordsOf({ name, message }: Error): string {
  return name === 'RangeError' || /call stack/i.test(message) ? 'is nested too deeply' : message;
}

interface Whole {
  readonly value: unknown;
  readonly placeOf: (offset: number) => string;
}

function place(document: Document, written: unknown, path: string, { value, placeOf }: Whole): Placed {
  const node = isAlias(written) ? written.resolve(document) : written;
  const offset = ((written ?? node) as Node | null | undefined)?.range?.[0] ?? 0;
  return {
    value,
    place: placeOf(offset),
    path,
    elements() {
      if (!isSeq(node) || !Array.isArray(value)) return undefined;
      return node.items.map((item, index) => {
        return place(document, item, `${path}[${index}]`, { value: value[index] as unknown, placeOf });
      });
    },
    fields() {
      if (!isMap(node) || typeof value !== 'object' || value === null) return undefined;
      const fields = new Map<string, Placed>();
      for (const { key, value: inner } of node.items) {
        const name = isScalar(key) ? String(key.value) : '';
        const own = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
        fields.set(
          name,
          place(document, inner ?? key, path === '' ? name : `${path}.${name}`, { value: own, placeOf }),
        );
      }
      return fields;
    },
  };
}
