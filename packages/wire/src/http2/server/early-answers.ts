import type { ServerStream } from './stream.ts';

/** Streams whose answer is whole and whose request is not, oldest answer first. */
export class EarlyAnswers {
  readonly #streams: ServerStream[] = [];

  add(stream: ServerStream): void {
    this.#streams.push(stream);
  }

  /** Gives those answered before `beforeMs` to `stop`. Returns when the oldest of the others was answered. */
  stop(beforeMs: number, stop: (stream: ServerStream) => void): number {
    for (let first = this.#streams[0]; first !== undefined; first = this.#streams[0]) {
      if (first.state !== 'closed') {
        if (first.movedMs > beforeMs) return first.movedMs;
        stop(first);
      }
      this.#streams.shift();
    }
    return Infinity;
  }
}
