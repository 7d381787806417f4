/** Which digests are named, by how many. */
export interface DigestCount {
  /** One endpoint's digest has changed; undefined for one that was not there, or is no more. Empty ones do not count. */
  swap(before: string | undefined, after: string | undefined): void;
  /** The same object for as long as they are the same: nobody looks through thousands of endpoints at each change of one. */
  present(): ReadonlySet<string>;
}

export function createDigestCount(): DigestCount {
  const counts = new Map<string, number>();
  let present: ReadonlySet<string> | undefined = new Set();

  function add(digest: string, by: number): void {
    const count = (counts.get(digest) ?? 0) + by;
    if (count > 0) counts.set(digest, count);
    else counts.delete(digest);
    if (count === 0 || (count === 1 && by === 1)) present = undefined;
  }

  return {
    swap(before = '', after = '') {
      if (before === after) return;
      if (after !== '') add(after, 1);
      if (before !== '') add(before, -1);
    },
    present: () => (present ??= new Set(counts.keys())),
  };
}
