/** Names that nobody asks for so long are of a configuration that is gone. */
const FORGET_MS = 600_000;

interface Used {
  usedMs: number;
}

/** States that calls share by name. Those that are not used any more are forgotten when another is made. */
export class NamedStates<State extends Used> {
  readonly #states = new Map<string, State>();

  find(name: string, nowMs: number): State | undefined {
    const state = this.#states.get(name);
    if (state !== undefined) state.usedMs = nowMs;
    return state;
  }

  add(name: string, state: State): State {
    for (const [other, { usedMs }] of this.#states) {
      if (state.usedMs - usedMs > FORGET_MS) this.#states.delete(other);
    }
    this.#states.set(name, state);
    return state;
  }
}
