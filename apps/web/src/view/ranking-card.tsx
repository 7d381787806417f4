import { toShortName } from '../state/builds.ts';
import { currentBuild } from '../state/ranking.ts';
import { openWatch, watch } from '../state/watch.ts';
import { VersionChip } from './version-chip.tsx';
import { toNumber } from './words.ts';

const SHOWN = 5;

export function RankingCard() {
  const { ranked, sequence, status, message, build, gaps } = watch.value;
  const behind = build !== '' && currentBuild.value !== '' && build !== currentBuild.value;
  return (
    <section class="card ranking" aria-label="Live ranking">
      <header>
        <h2>Live ranking</h2>
        <p class="note">
          <span key={sequence} class={`beat ${status}`} aria-hidden="true" />
          stream on <VersionChip build={build} testId="stream-version" />
        </p>
      </header>
      <ol class="podium" data-testid="watch">
        {ranked.slice(0, SHOWN).map((each, i) => (
          <li key={each.id}>
            <span class="rank">{i + 1}</span>
            <span class="name">{each.name}</span>
            <span class="reason">{each.reason}</span>
          </li>
        ))}
      </ol>
      <p class="note foot">
        {status === 'broken' ? (
          <span class="bad">{message}; opening it again</span>
        ) : (
          <>
            message <span data-testid="sequence">{toNumber(sequence)}</span>,{' '}
            <span data-testid="gaps">{toNumber(gaps)}</span> missing
          </>
        )}
      </p>
      {behind && (
        <p class="behind" data-testid="behind">
          <span>
            New calls go to {toShortName(currentBuild.value)}. This stream was open before and goes on with{' '}
            {toShortName(build)}.
          </span>
          <button type="button" onClick={openWatch}>
            Open it anew
          </button>
        </p>
      )}
    </section>
  );
}
