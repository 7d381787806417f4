import { readFileSync } from 'node:fs';

/** Where calls were executed, as their handlers saw it. */
export interface Executions {
  /** For handlers of this process. */
  ran(id: number, repeatable: boolean, where: string): void;
  /** A file to which a process writes a line for each: ID REPEATABLE WHERE. It is read when it matters. */
  addLog(file: string): void;
  /** What ran twice and must not. */
  repeated(): string[];
  /** Instances that a call ran at. */
  placesOf(id: number): readonly string[];
}

interface Run {
  readonly id: number;
  readonly repeatable: boolean;
  readonly where: string;
}

export function createExecutions(): Executions {
  const own: Run[] = [];
  const logs = new Set<string>();
  const all = (): Run[] => [...own, ...[...logs].flatMap(readRuns)];
  return {
    ran: (id, repeatable, where) => void own.push({ id, repeatable, where }),
    addLog: (file) => void logs.add(file),
    repeated() {
      const runs = Map.groupBy(
        all().filter(({ repeatable }) => !repeatable),
        ({ id }) => id,
      );
      return [...runs].flatMap(([id, { length }]) => {
        return length === 1 ? [] : [`call ${id}, which must not be repeated, was executed ${length} times`];
      });
    },
    placesOf: (id) => all().flatMap((run) => (run.id === id ? [run.where] : [])),
  };
}

function readRuns(file: string): Run[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => {
      const [id, repeatable, where = ''] = line.split(' ');
      return { id: Number(id), repeatable: repeatable === 'true', where };
    });
}
