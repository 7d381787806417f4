/** The smallest prime that is not below `atLeast`; 3 at least, since a table of 2 leaves no choice of steps. */
export function primeFrom(atLeast: number): number {
  let candidate = Math.max(3, Math.ceil(atLeast));
  if (candidate % 2 === 0) candidate++;
  while (!isOddPrime(candidate)) candidate += 2;
  return candidate;
}

function isOddPrime(value: number): boolean {
  for (let divisor = 3; divisor * divisor <= value; divisor += 2) if (value % divisor === 0) return false;
  return true;
}
