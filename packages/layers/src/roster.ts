/**
 * Who is present, by tickets that are used again. Unlike a Set it keeps nothing of who has left: a Set whose entries
 * come and go copies itself again and again, each copy keeps its old entries and the next copy, and once a garbage
 * collection has moved one such copy to the old generation, half of all that ever came is kept alive with it.
 */
export class Roster<T extends object> {
  readonly #seats: (T | undefined)[] = [];
  readonly #free: number[] = [];

  /** Takes somebody in. The ticket is what they leave with, exactly once. */
  add(item: T): number {
    const ticket = this.#free.pop() ?? this.#seats.length;
    this.#seats[ticket] = item;
    return ticket;
  }

  remove(ticket: number): void {
    this.#seats[ticket] = undefined;
    this.#free.push(ticket);
  }

  present(): T[] {
    return this.#seats.filter((item) => item !== undefined);
  }
}
