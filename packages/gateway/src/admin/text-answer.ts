import { INITIAL_CREDIT_BYTES, type Body, type Fields, type Reply } from '@bascule/core';

/** A short page for people and probes. */
export interface TextAnswer {
  readonly status: number;
  readonly text: string;
  /** Default "text/plain; charset=utf-8". */
  readonly contentType?: string;
  /** Beside content-type and content-length. Default none. */
  readonly fields?: Fields;
}

type State =
  | { readonly step: 'pending' }
  | { readonly step: 'writing'; readonly rest: Uint8Array }
  | { readonly step: 'over' };

/** Answers with text as far as the caller's credit goes. `omitBody` is for HEAD. */
export function answerText(reply: Reply, answer: TextAnswer | Promise<TextAnswer>, omitBody = false): Body {
  let state: State = { step: 'pending' };
  let creditBytes = INITIAL_CREDIT_BYTES;
  const step = (): State['step'] => state.step;

  function write(rest: Uint8Array): void {
    let left = rest;
    state = { step: 'writing', rest: left };
    while (left.length > 0 && creditBytes > 0) {
      const piece = left.subarray(0, creditBytes);
      left = left.subarray(piece.length);
      creditBytes -= piece.length;
      // Set before writing: a grant or a cancel may come from inside it.
      state = { step: 'writing', rest: left };
      const before = state;
      reply.write(piece);
      if (state !== before) return;
    }
    if (left.length > 0) return;
    state = { step: 'over' };
    reply.end([]);
  }

  function start(done: TextAnswer): void {
    if (step() === 'over') return;
    const bytes = new TextEncoder().encode(done.text);
    const contentType = done.contentType ?? 'text/plain; charset=utf-8';
    const fields = ['content-type', contentType, 'content-length', String(bytes.length), ...(done.fields ?? [])];
    reply.head({ status: done.status, fields });
    if (step() !== 'over') write(omitBody ? new Uint8Array() : bytes);
  }

  Promise.resolve(answer).then(start, () => start({ status: 500, text: 'the page could not be made\n' }));
  return {
    // What comes along with the request is of no interest, and nothing is granted for it.
    write() {},
    end() {},
    cancel() {
      state = { step: 'over' };
    },
    grant(bytes) {
      creditBytes += bytes;
      if (state.step === 'writing') write(state.rest);
    },
  };
}
