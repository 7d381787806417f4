const MAX_LINE_CHARS = 8_192;

/** Cuts what a worker prints into lines for the log; a longer line comes in pieces, so nothing piles up. */
export function createLineSplitter(onLine: (line: string) => void): (chunk: Buffer | string) => void {
  const decoder = new TextDecoder();
  let rest = '';
  return (chunk) => {
    rest += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    for (;;) {
      const end = rest.indexOf('\n');
      if (end === -1 && rest.length <= MAX_LINE_CHARS) return;
      const cut = end === -1 || end > MAX_LINE_CHARS ? MAX_LINE_CHARS : end;
      if (cut > 0) onLine(rest.slice(0, cut));
      rest = rest.slice(cut === end ? cut + 1 : cut);
    }
  };
}
