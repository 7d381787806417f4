import { useComputed } from '@preact/signals';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { TargetedKeyboardEvent } from 'preact';
import { focus } from '../state/focus.ts';
import { active, hovered, lookAt, moveActive, pickActive } from '../state/pick.ts';
import { query, results, searchError, searchFor, searching, type Result } from '../state/search.ts';
import { SearchIcon } from './icons.tsx';
import { VersionChip } from './version-chip.tsx';
import { toCountry } from './words.ts';

export function SearchView() {
  const chosen = results.value.list[active.value]?.place.id;
  return (
    <section class="search" aria-label="Search">
      <form role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="search-box">
          <SearchIcon />
          <span class="unseen">City</span>
          <input
            type="search"
            role="combobox"
            list={undefined}
            aria-expanded={results.value.list.length > 0}
            aria-controls="results"
            {...(chosen === undefined ? {} : { 'aria-activedescendant': `place-${chosen}` })}
            data-testid="search"
            placeholder="Search the world’s cities"
            autocomplete="off"
            spellcheck={false}
            value={query.value}
            onInput={(event) => searchFor(event.currentTarget.value)}
            onKeyDown={choose}
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
      <ResultList />
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

/** The keyboard stays in the box: up and down choose a result, Enter picks it, or the first one. */
function choose(event: TargetedKeyboardEvent<HTMLInputElement>): void {
  if (event.key === 'ArrowDown') moveActive(1);
  else if (event.key === 'ArrowUp') moveActive(-1);
  else if (event.key === 'Enter' && !event.isComposing) pickActive();
  else return;
  event.preventDefault();
}

function ResultList() {
  const list = useRef<HTMLOListElement>(null);
  useGliding(list);
  useEffect(() => {
    list.current?.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' });
  }, [active.value]);
  const most = Math.max(...results.value.list.map(({ ranked }) => ranked?.score ?? 0), Number.MIN_VALUE);
  return (
    <ol ref={list} id="results" class="results" role="listbox" aria-label="Cities" data-testid="results">
      {results.value.list.map((result, i) => (
        <ResultRow key={result.place.id} result={result} index={i} share={(result.ranked?.score ?? 0) / most} />
      ))}
    </ol>
  );
}

function ResultRow({
  result,
  index,
  share,
}: {
  readonly result: Result;
  readonly index: number;
  readonly share: number;
}) {
  const { place, ranked } = result;
  const point = (): void => {
    hovered.value = place.id;
  };
  const leave = (): void => {
    hovered.value = 0;
  };
  const isActive = index === active.value;
  const isPicked = focus.value.latitude === place.latitude && focus.value.longitude === place.longitude;
  return (
    <li role="presentation" data-testid="result" data-place={place.id}>
      <button
        type="button"
        role="option"
        id={`place-${place.id}`}
        tabIndex={-1}
        aria-selected={isActive}
        class={isPicked ? 'result picked' : 'result'}
        onClick={() => lookAt(place)}
        onPointerEnter={point}
        onPointerLeave={leave}
      >
        <span class={index === 0 ? 'rank first' : 'rank'}>{index + 1}</span>
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
