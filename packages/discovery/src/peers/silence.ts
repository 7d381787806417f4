/**
 * Instances that a system calls failing since they did not renew, and for no other reason, are taken at that word only
 * up to half of a list: when more fall silent it is likelier that the system does not hear them. A single one is
 * believed. Returns the same list when there is nobody to spare.
 */
export function spareSilent<T>(
  list: readonly T[],
  isSilent: (item: T) => boolean,
  spare: (item: T) => T,
): readonly T[] {
  const silent = list.filter(isSilent).length;
  if (silent < 2 || silent * 2 <= list.length) return list;
  return list.map((item) => (isSilent(item) ? spare(item) : item));
}
