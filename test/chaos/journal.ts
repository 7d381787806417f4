/** What both ends of all calls saw, and what of it may not be. */
export interface Journal {
  /** A call ran on a backend. Notes when one that must not be repeated runs twice. */
  ran(id: number, repeatable: boolean, where: string): void;
  /** Calls by how their client saw them end. */
  readonly ends: Record<string, number>;
  ended(how: string): void;
  wrong(what: string): void;
  /** A request ended in order before all of it had come. Wrong, unless its client ends what it leaves. */
  cutShort(id: number, what: string): void;
  /** The client gave the call up, in a way that looks like its end. */
  left(id: number): void;
  /** Everything that may not be. */
  allWrongs(): string[];
}

export function createJournal(): Journal {
  const runs = new Map<number, string[]>();
  const wrongs: string[] = [];
  const ends: Record<string, number> = {};
  const left = new Set<number>();
  const cut = new Map<number, string>();
  return {
    ends,
    ran(id, repeatable, where) {
      // Sockets that only pretend have no calls of their own.
      if (id < 0) return;
      const places = [...(runs.get(id) ?? []), where];
      runs.set(id, places);
      if (places.length > 1 && !repeatable) {
        wrongs.push(`call ${id}, which must not be repeated, ran on ${places.join(' and ')}`);
      }
    },
    ended: (how) => void (ends[how] = (ends[how] ?? 0) + 1),
    wrong: (what) => void wrongs.push(what),
    cutShort: (id, what) => void cut.set(id, what),
    left: (id) => void left.add(id),
    allWrongs: () => [...wrongs, ...[...cut].flatMap(([id, what]) => (left.has(id) ? [] : [what]))],
  };
}
