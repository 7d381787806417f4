import { CliFailure, ExitCode } from '../failure.ts';

type JsonObject = { [name: string]: unknown };

/** Far beyond what a call may carry; a document that never ends would fill the memory. */
const MAX_DOCUMENT_CHARACTERS = 67_108_864;

/**
 * Splits text into the JSON objects that stand in it one after the other, with or without line breaks between. Each is
 * handed on as soon as its last brace has come, so that requests typed by hand go out one by one.
 */
export async function* splitDocuments(pieces: AsyncIterable<Uint8Array | string>): AsyncGenerator<JsonObject> {
  const decoder = new TextDecoder();
  const scan = createScanner();
  for await (const piece of pieces) {
    yield* scan.push(typeof piece === 'string' ? piece : decoder.decode(piece, { stream: true }));
  }
  scan.end();
}

interface Scanner {
  push(text: string): JsonObject[];
  end(): void;
}

function createScanner(): Scanner {
  let document = '';
  let depth = 0;
  let place: 'outside' | 'string' | 'escape' = 'outside';

  function step(character: string): boolean {
    if (place === 'escape') place = 'string';
    else if (place === 'string') place = character === '\\' ? 'escape' : character === '"' ? 'outside' : 'string';
    else if (character === '"') place = 'string';
    else if (character === '{' || character === '[') depth++;
    else if (character === '}' || character === ']') depth--;
    return depth === 0;
  }

  return {
    push(text) {
      const found: JsonObject[] = [];
      for (const character of text) {
        if (document === '') {
          if (/[\s,]/.test(character)) continue;
          if (character !== '{') throw malformed(`expected "{", found ${JSON.stringify(character)}`);
        }
        document += character;
        if (document.length > MAX_DOCUMENT_CHARACTERS) throw malformed('it is too long');
        if (!step(character)) continue;
        found.push(parse(document));
        document = '';
      }
      return found;
    },
    end() {
      if (document !== '') throw malformed('it ends before its last "}"');
    },
  };
}

function parse(text: string): JsonObject {
  try {
    return JSON.parse(text) as JsonObject;
  } catch (cause) {
    throw malformed((cause as Error).message);
  }
}

function malformed(why: string): CliFailure {
  return new CliFailure(
    ExitCode.usage,
    `a request is not a JSON object: ${why}`,
    `As in '{"query": "ber"}'; several stand one after the other.`,
  );
}
