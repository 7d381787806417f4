import type { ComponentChildren } from 'preact';
import { toHue } from './words.ts';

/** A version of the module in the colour that it has everywhere on the page. */
export function VersionChip({
  version,
  children,
  testId,
}: {
  version: string;
  children?: ComponentChildren;
  testId?: string;
}) {
  return (
    <span class={`chip ${toHue(version)}`} data-testid={testId} data-version={version}>
      {children}
      {version === '' ? 'none' : `v${version}`}
    </span>
  );
}
