import type { Operator } from '../operator.ts';

/** Where the gateway takes calls. One that listens on every address is asked at loopback. */
export async function findApi(operator: Operator): Promise<string> {
  const { apiAddress, apiTls } = await operator.admin.getStatus({});
  return `${apiTls ? 'https' : 'http'}://${apiAddress.replace(/^(0\.0\.0\.0|::|\[::\]):/, '127.0.0.1:')}`;
}
