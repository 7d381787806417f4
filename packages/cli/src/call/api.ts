import type { Operator } from '../operator.ts';

/** Where the gateway takes calls. One that listens on every address is asked at loopback. */
export async function findApi(operator: Operator): Promise<string> {
  const { apiAddress } = await operator.admin.getStatus({});
  return `http://${apiAddress.replace(/^(0\.0\.0\.0|::|\[::\]):/, '127.0.0.1:')}`;
}
