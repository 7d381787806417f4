/** Why a version did not become current. Nothing has changed when it is thrown. */
export class ModuleRefused extends Error {
  override readonly name = 'ModuleRefused';
  /** What was wrong, and where. */
  readonly reason: string;
  /** What to do about it. */
  readonly advice: string;

  constructor(reason: string, advice: string) {
    const line = toLine(reason);
    super(`${line}. ${advice}`);
    this.reason = line;
    this.advice = advice;
  }
}

/** The message of whatever was thrown, on one line. */
export function messageOf(thrown: unknown): string {
  return toLine(thrown instanceof Error ? thrown.message : String(thrown));
}

const MAX_LINE_CHARS = 2_000;

/** Reasons may be a module's own words, and go into the history, to logs and to terminals: no novel, no escape codes. */
function toLine(text: string): string {
  const cut = text.length > MAX_LINE_CHARS ? `${text.slice(0, MAX_LINE_CHARS)}...` : text;
  return cut.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
}

/** Keeps a refusal as it is, and makes one of anything else. */
export function toRefusal(thrown: unknown, advice: string): ModuleRefused {
  return thrown instanceof ModuleRefused ? thrown : new ModuleRefused(messageOf(thrown), advice);
}
