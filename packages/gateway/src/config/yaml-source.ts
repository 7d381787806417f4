import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from 'yaml';
import type { ConfigError, ConfigPath } from './error.ts';

/** A place in the file, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** A YAML text that was read, and where everything in it stands. */
interface YamlSource {
  /** The text as JSON would hold it; null for an empty text. */
  readonly value: unknown;
  /** Where the value at a path stands; the nearest enclosing one if the path is not in the file. */
  placeOf(path: ConfigPath): Place;
  /** The value at a path as it was written. */
  valueAt(path: ConfigPath): unknown;
  /** Where the key of a path stands, in the spelling of the path's last step. */
  placeOfKey(path: ConfigPath): Place;
}

export type YamlResult =
  | { readonly ok: true; readonly source: YamlSource }
  | { readonly ok: false; readonly errors: readonly ConfigError[] };

/** Aliases that may be resolved before the file is taken for one that is made to exhaust memory. */
const MAX_ALIASES = 100;

const ADVICE: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'Keep one of them.',
  TAB_AS_INDENT: 'Indent with spaces.',
  MULTIPLE_DOCS: 'Keep one document: remove everything from the second "---" on.',
  TAG_RESOLVE_FAILED: 'Remove the tag.',
};

/** Reads YAML 1.2, keeping positions. Everything the library only warns of is an error here. */
export function parseYaml(text: string, file: string): YamlResult {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: true,
      logLevel: 'error',
    });
    const problems = [...document.errors, ...document.warnings];
    if (problems.length > 0) {
      const errors = problems.map((problem) => ({
        file,
        ...toPlace(lines, problem.pos[0]),
        field: '',
        message: withoutPeriod(problem.message),
        advice: ADVICE[problem.code] ?? 'Correct the YAML syntax.',
      }));
      return { ok: false, errors };
    }
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { ok: true, source: createSource(document, lines, value) };
  } catch (cause) {
    // Too many aliases, an alias without anchor, or nesting beyond the stack: all thrown without a position.
    const message = cause instanceof RangeError ? 'is nested too deeply' : withoutPeriod((cause as Error).message);
    return { ok: false, errors: [{ file, line: 1, column: 1, field: '', message, advice: 'Write the values out.' }] };
  }
}

function createSource(document: Document, lines: LineCounter, value: unknown): YamlSource {
  const placeOfNode = (node: unknown): Place | undefined => {
    const range = (node as Node | null | undefined)?.range;
    return range ? toPlace(lines, range[0]) : undefined;
  };
  const resolve = (node: unknown): unknown => (isAlias(node) ? node.resolve(document) : node);
  function find(path: ConfigPath, wanted: 'key' | 'value'): Place {
    let place: Place = { line: 1, column: 1 };
    let node: unknown = document.contents;
    for (const [index, step] of path.entries()) {
      const parent = resolve(node);
      const pair = isMap(parent) ? findPair(parent.items, String(step)) : undefined;
      node = pair !== undefined ? pair.value : isSeq(parent) ? parent.items[Number(step)] : undefined;
      const keyOnly = wanted === 'key' && index === path.length - 1;
      const found = (keyOnly ? undefined : visiblePlace(node)) ?? placeOfNode(pair?.key);
      if (found === undefined && pair === undefined && node === undefined) return place;
      place = found ?? place;
    }
    return place;
  }
  // A key without a value has a null node right after the colon; the key is the better place.
  const visiblePlace = (node: unknown): Place | undefined =>
    isScalar(node) && node.value === null && node.source === '' ? undefined : placeOfNode(node);
  return {
    value,
    valueAt: (path) => path.reduce(stepInto, value),
    placeOf: (path) => find(path, 'value'),
    placeOfKey: (path) => find(path, 'key'),
  };
}

function stepInto(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = value as Record<string | number, unknown>;
  return Object.hasOwn(fields, step) ? fields[step] : fields[toSnake(String(step))];
}

/** Fields may stand in the spelling of JSON or of the .proto; both are found by the JSON one. */
function findPair(pairs: readonly Pair[], name: string): Pair | undefined {
  const named = (wanted: string): Pair | undefined =>
    pairs.find((pair) => isScalar(pair.key) && String(pair.key.value) === wanted);
  return named(name) ?? named(toSnake(name));
}

function toSnake(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function toPlace(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(1, line), column: Math.max(1, col) };
}

function withoutPeriod(message: string): string {
  return message.replace(/\.$/, '');
}
