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

type Steps = readonly (string | number)[];

/** Aliases that may be resolved before the text is taken for one that is made to exhaust memory. */
const MAX_ALIASES = 100;

/**
 * Reads YAML 1.2, of which JSON is a part. Throws PlacedError. JSON is read as such, which takes a fraction of the
 * time, and as YAML only when somebody asks for a place.
 */
export function parsePlaced(text: string): Placed {
  const json = /^\s*[[{]/.test(text) ? tryJson(text) : undefined;
  if (json === undefined) {
    const { value, locate } = parseYaml(text);
    return toPlaced(value, [], locate);
  }
  let locate: ((steps: Steps) => string) | undefined;
  return toPlaced(json, [], (steps) => (locate ??= parseYaml(text).locate)(steps));
}

function tryJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function parseYaml(text: string): { value: unknown; locate: (steps: Steps) => string } {
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
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { value, locate: (steps) => placeOf(find(document, steps)) };
  } catch (error) {
    if (error instanceof PlacedError) throw error;
    // Too many aliases: thrown without a position.
    throw new PlacedError({ place: '1:1', path: '' }, wordsOf(error as Error));
  }
}

function wordsOf({ name, message }: Error): string {
  return name === 'RangeError' || /call stack/i.test(message) ? 'is nested too deeply' : message;
}

/** Offset of what is at a path, or of its key where nothing is. */
function find(document: Document, steps: Steps): number {
  let node: unknown = document.contents;
  let offset = offsetOf(node) ?? 0;
  for (const step of steps) {
    const parent = isAlias(node) ? node.resolve(document) : node;
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === step)
      : undefined;
    node = isSeq(parent) ? parent.items[Number(step)] : pair?.value;
    offset = offsetOf(node) ?? offsetOf(pair?.key) ?? offset;
  }
  return offset;
}

function offsetOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function toPlaced(value: unknown, steps: Steps, locate: (steps: Steps) => string): Placed {
  return {
    value,
    get place() {
      return locate(steps);
    },
    get path() {
      return steps
        .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${step}`))
        .join('');
    },
    elements() {
      if (!Array.isArray(value)) return undefined;
      return value.map((element: unknown, index) => toPlaced(element, [...steps, index], locate));
    },
    fields() {
      if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
      const entries = Object.entries(value as Record<string, unknown>);
      return new Map(entries.map(([name, field]) => [name, toPlaced(field, [...steps, name], locate)]));
    },
  };
}
