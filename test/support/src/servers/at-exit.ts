/** What is left to be undone when this process ends on its own account. */
const left = new Set<() => void>();

process.on('exit', () => {
  for (const undo of left) undo();
});

/** Has it done at the end of this process; it must be synchronous. Returns a function that takes that back. */
export function atExit(undo: () => void): () => void {
  left.add(undo);
  return () => left.delete(undo);
}
