import { createDial } from '@bascule/client';
import type { Clock } from '@bascule/core';
import { openSource, parseSystemUrl, SpecError, type Source } from '@bascule/discovery';
import { SettingsRefused } from '../config/error.ts';
import type { PlacedPlan } from './source-plan.ts';

export interface OpenContext {
  readonly clock: Clock;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Relative file names in URLs begin here. */
  readonly baseDir: string;
}

/** Opens the source that a plan wants. Rejects with SettingsRefused for what no retry mends. */
export async function openPlanned(
  { plan, path }: PlacedPlan,
  known: ReadonlyMap<string, Uint8Array>,
  context: OpenContext,
): Promise<Source> {
  const { credentials, defaults } = plan;
  try {
    return await openSource({
      url: parseSystemUrl(plan.url),
      credentials,
      defaults,
      ...context,
      dial: createDial(context.clock),
      schemas: new Map([...known, ...plan.schemas]),
    });
  } catch (error) {
    const { message } = error as Error;
    const advice = 'docs/discovery.md has the schemes, and what may stand in their URLs.';
    if (error instanceof SpecError) throw new SettingsRefused({ path, message, advice });
    throw new SettingsRefused({ path, message: `cannot be opened: ${message}`, advice });
  }
}
