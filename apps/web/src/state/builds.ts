import { signal } from '@preact/signals';

/** Hues that the style knows. */
const HUES = ['hue-1', 'hue-2', 'hue-0', 'hue-3'];

/** Every build of the module that this page has had an answer of, in that order. */
const builds = signal<readonly string[]>([]);

/**
 * What tells two deployments apart: the version, and the digest of the code where the gateway says who answered
 * (`ranking@1.0.0+8e0174616199`). A file saved while the gateway runs is another build of the same version.
 */
export function toBuild(version: string, endpoint: string | undefined): string {
  const digest = /\+([0-9a-f]{6,})$/.exec(endpoint ?? '')?.[1];
  return digest === undefined ? version : `${version}+${digest}`;
}

/** Remembers a build, so that it gets a colour of its own. */
export function noteBuild(build: string): void {
  if (build !== '' && !builds.peek().includes(build)) builds.value = [...builds.peek(), build];
}

/** As people read it: the version, with the beginning of the digest where the version alone is not enough. */
export function toShortName(build: string): string {
  const [version, digest] = build.split('+');
  const alone = builds.value.filter((other) => other.split('+')[0] === version).length <= 1;
  return alone || digest === undefined ? `v${version}` : `v${version}+${digest.slice(0, 4)}`;
}

/** The colour of a build. Builds that come one after the other have different ones. */
export function toHue(build: string): string {
  return HUES[Math.max(0, builds.value.indexOf(build)) % HUES.length] ?? '';
}
