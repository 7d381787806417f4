import { ConnectError } from '@connectrpc/connect';

/** How a call failed; throws when it did not. */
export async function failureOf(call: Promise<unknown>): Promise<ConnectError> {
  const result = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(result instanceof ConnectError)) throw new Error(`no failure of a call: ${String(result)}`);
  return result;
}
