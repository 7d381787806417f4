import { styleText } from 'node:util';

export type Paint = 'bold' | 'dim' | 'green' | 'yellow' | 'red';

/** Where results and remarks go. */
export interface Terminal {
  /** A line of the result, on standard output. */
  print(line: string): void;
  /** A line beside the result, on standard error. */
  remark(line: string): void;
  /** Colours for standard output, if it is a terminal that wants them (see NO_COLOR, FORCE_COLOR). */
  paint(paint: Paint, text: string): string;
  paintRemark(paint: Paint, text: string): string;
}

export interface TerminalOptions {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Called when nobody reads standard output any more. */
  readonly onReaderGone: () => void;
}

export function createTerminal({ stdout, stderr, onReaderGone }: TerminalOptions): Terminal {
  // A reader that has seen enough, as `head`, is no error; but a stream without end must not go on for nobody.
  stdout.on('error', onReaderGone);
  // There is nowhere left to say it.
  stderr.on('error', () => {});
  return {
    print: (line) => void stdout.write(`${line}\n`),
    remark: (line) => void stderr.write(`${line}\n`),
    paint: (paint, text) => styleText(paint, text, { stream: stdout }),
    paintRemark: (paint, text) => styleText(paint, text, { stream: stderr }),
  };
}

/** Text from elsewhere, without what could steer the terminal. */
export function toPlain(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?');
}
