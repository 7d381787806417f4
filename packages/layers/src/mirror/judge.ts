import type { Comparison, MirrorDiff } from './comparison.ts';
import type { CopyEnd } from './copy.ts';

/**
 * What became of a copy. `answered`: nothing was compared. `given-up`: the call itself was cancelled, failed or was
 * answered early. `skipped`: too many copies were open.
 */
export type MirrorEnd = 'same' | 'different' | 'answered' | 'missing' | 'given-up' | 'skipped';

interface Verdicts {
  onDiff(diff: MirrorDiff): void;
  onEnd(end: MirrorEnd): void;
}

/** Says how a copy did, once it and the call itself have ended, whichever is first. */
export class MirrorJudge {
  readonly #comparison: Comparison | undefined;
  readonly #verdicts: Verdicts;
  #call: 'open' | 'ended' | 'abandoned' = 'open';
  #copy: CopyEnd | undefined = undefined;

  constructor(comparison: Comparison | undefined, verdicts: Verdicts) {
    this.#comparison = comparison;
    this.#verdicts = verdicts;
  }

  callEnded(): void {
    this.#call = 'ended';
    this.#judge();
  }

  /** The call came to nothing that could be compared. */
  callAbandoned(): void {
    this.#call = 'abandoned';
    this.#judge();
  }

  copyEnded(end: CopyEnd): void {
    this.#copy = end;
    this.#judge();
  }

  #judge(): void {
    const copy = this.#copy;
    if (this.#call === 'open' || copy === undefined) return;
    if (this.#call === 'abandoned' || copy.kind === 'given-up') return this.#verdicts.onEnd('given-up');
    if (copy.kind === 'missing') return this.#tell('missing', { kind: 'missing', description: copy.reason });
    if (this.#comparison === undefined) return this.#verdicts.onEnd('answered');
    const diff = this.#comparison.result();
    this.#tell(diff === undefined ? 'same' : 'different', diff);
  }

  #tell(end: MirrorEnd, diff: MirrorDiff | undefined): void {
    if (diff !== undefined && this.#comparison !== undefined) this.#verdicts.onDiff(diff);
    this.#verdicts.onEnd(end);
  }
}
