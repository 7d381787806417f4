/** Two leaves of a bridge between their piers. `open` lifts them. */
export function Logo({ open }: { readonly open: boolean }) {
  return (
    <svg class={open ? 'logo open' : 'logo'} viewBox="0 0 48 32" aria-hidden="true">
      <path class="water" d="M2 28c4-3 7-3 11 0s7 3 11 0 7-3 11 0 7 3 11 0" />
      <path class="pier" d="M9 13v11M39 13v11" />
      <path class="leaf left" d="M9 14h14" />
      <path class="leaf right" d="M39 14H25" />
    </svg>
  );
}

export function SearchIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="8.5" cy="8.5" r="5.5" />
      <path d="m13 13 4.5 4.5" />
    </svg>
  );
}

export function PlusIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M10 4v12M4 10h12" />
    </svg>
  );
}

export function MinusIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d="M4 10h12" />
    </svg>
  );
}

export function WorldIcon() {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <circle cx="10" cy="10" r="7" />
      <path d="M3 10h14M10 3c5 4.5 5 9.500 0 14M10 3c-5 4.500-5 9.500 0 14" />
    </svg>
  );
}
