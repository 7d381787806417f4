/** One of each: a call that a backend answers, and one that the module answers. */
const CALLS = [
  ['demo.places.v1.PlacesService/Search', { query: 'rotterdam', limit: 1 }],
  ['demo.ranking.v1.RankingService/Rank', { candidates: [] }],
] as const;

const PAUSE_MS = 40;

/** Waits until calls are served through the gateway. Tells what is missing if that takes too long. */
export async function waitForFirstCall(
  baseUrl: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  const endMs = performance.now() + timeoutMs;
  for (const [method, request] of CALLS) {
    let problem = await call(`${baseUrl}/${method}`, request);
    while (problem !== undefined && !signal.aborted) {
      if (performance.now() > endMs) return `${method}: ${problem}`;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      problem = await call(`${baseUrl}/${method}`, request);
    }
  }
  return undefined;
}

async function call(url: string, request: object): Promise<string | undefined> {
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'connect-protocol-version': '1' },
      body: JSON.stringify(request),
      signal: AbortSignal.timeout(2000),
    });
    const text = await response.text();
    return response.ok ? undefined : text;
  } catch (error) {
    return (error as Error).message;
  }
}
