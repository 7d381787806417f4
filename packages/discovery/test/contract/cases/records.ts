import { expect } from 'vitest';
import { createEndpoint } from '../endpoints.ts';
import type { Run, Scene } from '../scene.ts';
import type { Access } from '../system-under-test.ts';

export const RECORDS = {
  async 'wrong credentials are told in words'(scene) {
    const access = await (scene.scope.wrongAccess?.() ?? missing('wrongAccess'));
    const seen = await scene.follow({ access });
    await scene.until('it says what is wrong', () => seen.source.status().error !== undefined);
    expect(seen.source.status().state).not.toBe('connected');
    expect(seen.set.size).toBe(0);
    const texts = [...seen.statuses.map(({ error = '' }) => error), ...seen.warnings];
    if (scene.scope.writer === undefined) texts.push(...(await refusals(scene, access)));
    expect(texts.filter((text) => secretsOf(access).some((secret) => text.includes(secret)))).toEqual([]);
  },

  async 'garbage stops nobody else'(scene) {
    const [a, b] = [createEndpoint(1), createEndpoint(2)];
    const seen = await scene.follow();
    await scene.register(a);
    await scene.sees(seen, [a]);
    const name = await (scene.scope.writeGarbage?.() ?? missing('writeGarbage'));
    await scene.until('the warning names it', () => seen.warnings.some((warning) => warning.includes(name)));
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    const late = await scene.follow();
    await scene.sees(late, [a, b]);
    await scene.until('who comes later is warned', () => late.warnings.some((warning) => warning.includes(name)));
    // Once per text: a record that stays unreadable must not fill the log.
    expect(new Set(seen.warnings).size).toBe(seen.warnings.length);
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  },

  async 'a known record that turns to garbage stays'(scene) {
    const [a, b, c] = [createEndpoint(1), createEndpoint(2), createEndpoint(3)];
    const seen = await scene.follow();
    await scene.register(a);
    await scene.register(b);
    await scene.sees(seen, [a, b]);
    const name = await (scene.scope.spoil?.(a) ?? missing('spoil'));
    await scene.until('the warning names it', () => seen.warnings.some((warning) => warning.includes(name)));
    await scene.register(c);
    await scene.until('others are still seen', () => seen.set.has(scene.keyOf(c)));
    expect(seen.set.has(scene.keyOf(a))).toBe(true);
    expect([seen.broken, seen.removals()]).toEqual([[], []]);
  },
} satisfies Record<string, Run>;

async function refusals(scene: Scene, access: Access): Promise<string[]> {
  const { events } = await scene.begin(createEndpoint(9), { access });
  await scene.until('the registrar is refused', () => events.some((event) => 'error' in event));
  expect(events.filter(({ type }) => type === 'registered')).toEqual([]);
  return events.flatMap((event) => ('error' in event ? [event.error] : []));
}

function secretsOf({ credentials = {} }: Access): string[] {
  return [credentials.token, credentials.password].filter(
    (secret) => secret !== undefined && secret !== '',
  ) as string[];
}

function missing(what: string): never {
  throw new Error(`the scope has no ${what}: say in notApplicable why`);
}
