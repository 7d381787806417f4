import { useComputed } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { TargetedKeyboardEvent } from 'preact';
import { focus } from '../state/focus.ts';
import { hovered, query, results, searchError, searchFor, searching, type Result } from '../state/search.ts';
import { SearchIcon } from './icons.tsx';
import { VersionChip } from './version-chip.tsx';
import { toCountry } from './words.ts';

export function SearchView() {
  const list = useRef<HTMLOListElement>(null);
  const moveInto = (event: TargetedKeyboardEvent<HTMLInputElement>): void => {
    if (event.key !== 'ArrowDown') return;
    event.preventDefault();
    list.current?.querySelector('button')?.focus();
  };
  return (
    <section class="search" aria-label="Search">
      <form role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="search-box">
          <SearchIcon />
          <span class="unseen">City</span>
          <input
            type="search"
            data-testid="search"
            placeholder="Search the world’s cities"
            autocomplete="off"
            spellcheck={false}
            value={query.value}
            onInput={(event) => searchFor(event.currentTarget.value)}
            onKeyDown={moveInto}
          />
          <span class={searching.value ? 'busy on' : 'busy'} aria-hidden="true" />
        </label>
      </form>
      <ResultsHead />
      {searchError.value !== '' && (
        <p class="error" role="alert" data-testid="search-error">
          {searchError.value}
        </p>
      )}
      <ResultList list={list} />
    </section>
  );
}

function ResultsHead() {
  const { list, build } = results.value;
  const title = useComputed(() =>
    results.value.query.trim() === '' ? 'Largest cities' : `“${results.value.query.trim()}”`,
  );
  return (
    <div class="results-head">
      <h2>{title}</h2>
      <p aria-live="polite">
        {list.length === 0 ? (
          searching.value ? (
            ''
          ) : (
            'no city found'
          )
        ) : build === '' ? (
          'not ordered'
        ) : (
          <>
            ordered by <VersionChip build={build} testId="results-version" />
          </>
        )}
      </p>
    </div>
  );
}

function ResultList({ list }: { readonly list: { current: HTMLOListElement | null } }) {
  useGliding(list);
  const most = Math.max(...results.value.list.map(({ ranked }) => ranked?.score ?? 0), Number.MIN_VALUE);
  return (
    <ol ref={list} class="results" data-testid="results" onKeyDown={moveAmong}>
      {results.value.list.map((result, i) => (
        <ResultRow key={result.place.id} result={result} rank={i + 1} share={(result.ranked?.score ?? 0) / most} />
      ))}
    </ol>
  );
}

function ResultRow({
  result,
  rank,
  share,
}: {
  readonly result: Result;
  readonly rank: number;
  readonly share: number;
}) {
  const { place, ranked } = result;
  const point = (): void => {
    hovered.value = place.id;
  };
  const leave = (): void => {
    hovered.value = 0;
  };
  return (
    <li data-testid="result" data-place={place.id}>
      <button
        type="button"
        class={focus.value.name === place.name ? 'result picked' : 'result'}
        onClick={() => (focus.value = { latitude: place.latitude, longitude: place.longitude, name: place.name })}
        onPointerEnter={point}
        onPointerLeave={leave}
        onFocus={point}
        onBlur={leave}
      >
        <span class={rank === 1 ? 'rank first' : 'rank'}>{rank}</span>
        <span class="name">
          <span data-testid="result-name">{place.name}</span>
          {place.feature === 'PPLC' && (
            <span class="star" title="Capital">
              ★
            </span>
          )}
        </span>
        <span class="country">{toCountry(place.country)}</span>
        <span class="reason">{ranked?.reason ?? ''}</span>
        <span class="meter" aria-hidden="true">
          <span style={{ transform: `scaleX(${share})` }} />
        </span>
      </button>
    </li>
  );
}

/** Up and down go from result to result. */
function moveAmong(event: TargetedKeyboardEvent<HTMLOListElement>): void {
  const step =
    event.key === 'ArrowDown' ? 'nextElementSibling' : event.key === 'ArrowUp' ? 'previousElementSibling' : undefined;
  if (step === undefined || document.activeElement === null) return;
  event.preventDefault();
  const next = document.activeElement.closest('li')?.[step]?.querySelector('button');
  (next ?? document.querySelector<HTMLElement>('[data-testid="search"]'))?.focus();
}

/** Rows glide from where they stood to where they stand now, so that one sees a new order happen. */
function useGliding(list: { current: HTMLOListElement | null }): void {
  const tops = useRef(new Map<string, number>());
  useLayoutEffect(() => {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const next = new Map<string, number>();
    for (const row of list.current?.querySelectorAll<HTMLElement>('li') ?? []) {
      const id = row.dataset['place'] ?? '';
      const before = tops.current.get(id);
      next.set(id, row.offsetTop);
      if (calm || before === row.offsetTop) continue;
      const from = before === undefined ? { opacity: 0 } : { transform: `translateY(${before - row.offsetTop}px)` };
      const to = before === undefined ? { opacity: 1 } : { transform: 'none' };
      row.animate([from, to], { duration: 420, easing: 'cubic-bezier(.3,.9,.3,1)' });
    }
    tops.current = next;
  });
}
