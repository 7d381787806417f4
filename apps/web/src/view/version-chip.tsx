import { toHue, toShortName } from '../state/builds.ts';

/** A build of the module, in the colour that it has everywhere on the page. */
export function VersionChip({ build, testId }: { readonly build: string; readonly testId: string }) {
  return (
    <span class={`chip ${toHue(build)}`} data-testid={testId} data-build={build}>
      {build === '' ? 'none' : toShortName(build)}
    </span>
  );
}
