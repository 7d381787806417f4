/** Why a version did not become current. Nothing has changed when it is thrown. */
export class ModuleRefused extends Error {
  override readonly name = 'ModuleRefused';
  /** What was wrong, and where. */
  readonly reason: string;
  /** What to do about it. */
  readonly advice: string;

  constructor(reason: string, advice: string) {
    super(`${reason}. ${advice}`);
    this.reason = reason;
    this.advice = advice;
  }
}

/** The message of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  if (thrown instanceof Error) return thrown.message;
  return typeof thrown === 'string' ? thrown : String(thrown);
}

/** Keeps a refusal as it is, and makes one of anything else. */
export function toRefusal(thrown: unknown, advice: string): ModuleRefused {
  return thrown instanceof ModuleRefused ? thrown : new ModuleRefused(messageOf(thrown), advice);
}
