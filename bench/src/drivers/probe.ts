/** A unary method as a driver calls it. */
export interface Probe {
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The message of a call. All are equally long. */
  encode(callId: string): Uint8Array;
  /** What is wrong with an answer to that call; empty when nothing is. */
  check(callId: string, message: Buffer): string;
  /** Version of the module that answered, where the message tells. */
  versionOf?(message: Buffer): string;
}

/** Length of a call id: enough for a driver, a connection and a count. */
export const CALL_ID_CHARS = 16;

/** A call id that no other call of any driver of a run has. */
export function toCallId(driver: number, count: number): string {
  return `${driver.toString(16).padStart(4, '0')}-${count.toString(16).padStart(11, '0')}`;
}
