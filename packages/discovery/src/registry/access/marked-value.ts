import { isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { SpecError } from '../../spec.ts';

/** A value of a file that knows where it stands. All readers throw SpecError with file, line and field. */
export interface MarkedValue {
  /** The entries of a mapping. No others than `known` may be there. */
  fields(known: readonly string[]): ReadonlyMap<string, MarkedValue>;
  items(): MarkedValue[];
  text(): string;
  /** Refuses the value: `what` goes on after its field. */
  refuse(what: string): never;
}

/** No aliases: nothing in these files needs them, and they can make a small file large. */
export function parseMarked(text: string, file: string): MarkedValue {
  const lines = new LineCounter();
  const document: Document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const problem = [...document.errors, ...document.warnings][0];
  if (problem !== undefined) throw new SpecError(`${file}, line ${lineAt(problem.pos[0])}: ${problem.message}`);
  return mark(document.contents, '');

  function lineAt(offset: number): number {
    return Math.max(1, lines.linePos(offset).line);
  }

  function mark(node: unknown, field: string): MarkedValue {
    const refuse = (what: string): never => {
      const line = lineAt((node as Node | null)?.range?.[0] ?? 0);
      throw new SpecError(`${file}, line ${line}: ${field === '' ? 'the file' : field} ${what}`);
    };
    return {
      refuse,
      fields(known) {
        if (!isMap(node)) return refuse(`must have fields: ${known.join(', ')}`);
        const found = new Map<string, MarkedValue>();
        for (const { key, value } of node.items) {
          const name = isScalar(key) ? String(key.value) : '';
          const marked = mark(value ?? key, field === '' ? name : `${field}.${name}`);
          if (!known.includes(name)) marked.refuse(`is not known here; there are ${known.join(', ')}`);
          found.set(name, marked);
        }
        return found;
      },
      items() {
        if (!isSeq(node)) return refuse('must be a list');
        return node.items.map((item, index) => mark(item, `${field}[${index}]`));
      },
      text: () =>
        isScalar(node) && typeof node.value === 'string' && node.value !== '' ? node.value : refuse('must be a text'),
    };
  }
}
