import { fromJson, ScalarType, type DescField, type DescMessage, type JsonValue } from '@bufbuild/protobuf';
import { showValue, type ConfigPath } from './error.ts';
import { nearestName } from './suggestion.ts';

/** What does not fit the message's shape. */
export interface ShapeProblem {
  readonly path: ConfigPath;
  /** Whether the key itself is the trouble, not what it holds. */
  readonly at: 'key' | 'value';
  readonly message: string;
  readonly advice: string;
}

/**
 * Holds a JSON value against a message, field by field. `fromJson` would stop at the first trouble and not say where
 * it stands; this finds all of them with their paths.
 */
export function validateShape(desc: DescMessage, value: unknown, path: ConfigPath = []): ShapeProblem[] {
  if (value === null || value === undefined) return [];
  if (!isObject(value)) {
    return [wrong(path, `must be a group of fields (got ${showValue(value)})`, fieldsAdvice(desc))];
  }
  const problems: ShapeProblem[] = [];
  const seen = new Set<string>();
  const chosen = new Map<string, string>();
  for (const [key, item] of Object.entries(value)) {
    const field = desc.fields.find((f) => f.jsonName === key || f.name === key);
    if (field === undefined) {
      problems.push(unknownField(desc, key, path));
    } else if (seen.has(field.jsonName)) {
      const message = 'stands twice, in two spellings';
      problems.push({ path: [...path, key], at: 'key', message, advice: `Keep "${field.jsonName}".` });
    } else {
      seen.add(field.jsonName);
      const other = field.oneof && chosen.get(field.oneof.name);
      if (field.oneof !== undefined) chosen.set(field.oneof.name, field.jsonName);
      if (other === undefined) problems.push(...validateField(field, item, [...path, field.jsonName]));
      else
        problems.push({ path: [...path, key], at: 'key', message: `cannot stand beside ${other}`, advice: KEEP_ONE });
    }
  }
  return problems;
}

function validateField(field: DescField, value: unknown, path: ConfigPath): ShapeProblem[] {
  if (value === null) return isMeantByPresence(field) ? [wrong(path, 'is empty', OR_BRACES)] : [];
  if (field.fieldKind === 'list') return validateList(field, value, path);
  if (field.fieldKind === 'map') return validateMap(field, value, path);
  if (field.fieldKind === 'message' && !isLeaf(field.message)) return validateShape(field.message, value, path);
  return validateLeaf(field, value, value, path);
}

function validateList(field: DescField & { fieldKind: 'list' }, value: unknown, path: ConfigPath): ShapeProblem[] {
  if (!Array.isArray(value)) {
    const advice = 'Put a "- " before each of its lines, or write [a, b].';
    return [wrong(path, `must be a list (got ${showValue(value)})`, advice)];
  }
  return value.flatMap((item: unknown, index) => {
    const at = [...path, index];
    if (item === null) return [wrong(at, 'is empty', 'Give it a value, or remove its line.')];
    if (field.message !== undefined) return validateShape(field.message, item, at);
    return validateLeaf(field, [item], item, at);
  });
}

function validateMap(field: DescField & { fieldKind: 'map' }, value: unknown, path: ConfigPath): ShapeProblem[] {
  if (!isObject(value))
    return [wrong(path, `must be a group of names (got ${showValue(value)})`, 'Write "name:" lines below it.')];
  return Object.entries(value).flatMap(([key, item]) => {
    const at = [...path, key];
    if (item === null) return [wrong(at, 'is empty', 'Give it a value, or remove its line.')];
    if (field.message !== undefined) return validateShape(field.message, item, at);
    return validateLeaf(field, { [key]: item }, item, at);
  });
}

/** Lets the library judge one value, by a message that holds nothing else. `shown` is what the operator wrote. */
function validateLeaf(field: DescField, json: unknown, shown: unknown, path: ConfigPath): ShapeProblem[] {
  try {
    fromJson(field.parent, { [field.jsonName]: json as JsonValue });
    return [];
  } catch {
    const { expected, advice } = describe(field, shown);
    return [wrong(path, `must be ${expected} (got ${showValue(shown)})`, advice)];
  }
}

const KEEP_ONE = 'Keep one of them.';
const OR_BRACES = 'Write {} to take its defaults, or remove its line.';

/** Groups that say something by standing there; who writes their name alone would think that they hold. */
function isMeantByPresence(field: DescField): boolean {
  return (
    field.fieldKind === 'message' &&
    /\.(HealthCheck|LoadLimit|UpstreamTls|\w+Probe|Breaker|Concurrency|Admission|Cache|Peer|Outlier|ZoneAware|Respread)$/.test(
      field.message.typeName,
    )
  );
}

/** Messages whose JSON is not an object. */
function isLeaf(message: DescMessage): boolean {
  return message.typeName === 'google.protobuf.Duration';
}

function describe(field: DescField, value: unknown): { expected: string; advice: string } {
  if (field.enum !== undefined) {
    const names = field.enum.values.filter((v) => v.number !== 0).map((v) => v.name);
    const near = typeof value === 'string' ? nearestName(`${field.enum.name}_${value}`, names) : undefined;
    const meant = near ?? (typeof value === 'string' ? nearestName(value, names) : undefined);
    return {
      expected: `one of ${names.join(', ')}`,
      advice: meant === undefined ? 'Choose one of them.' : `Did you mean ${meant}?`,
    };
  }
  if (field.message !== undefined) {
    return { expected: 'a time in seconds, such as "30s" or "0.5s"', advice: durationAdvice(value) };
  }
  if (field.scalar === ScalarType.STRING && typeof value === 'object')
    return { expected: 'text', advice: 'Write one value.' };
  return SCALARS.get(field.scalar) ?? { expected: 'a number', advice: 'Write it in digits, as in 20 or 0.5.' };
}

const SCALARS: ReadonlyMap<ScalarType | undefined, { expected: string; advice: string }> = new Map([
  [ScalarType.BOOL, { expected: 'true or false', advice: 'Write it without quotes.' }],
  [ScalarType.STRING, { expected: 'text', advice: 'Put it in quotes.' }],
  [ScalarType.UINT32, { expected: 'a whole number from 0 to 4294967295', advice: 'Write digits alone.' }],
  [ScalarType.UINT64, { expected: 'a whole number, 0 or more', advice: 'Write digits alone.' }],
]);

const UNIT_SECONDS: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, min: 60, h: 3600, d: 86_400 };

function durationAdvice(value: unknown): string {
  const match = /^(\d+(?:\.\d+)?) ?(ms|s|m|min|h|d)?$/.exec(String(value));
  if (match === null) return 'Write the seconds and an "s".';
  const seconds = Number(match[1]) * (UNIT_SECONDS[match[2] ?? 's'] ?? 1);
  return `Write "${Number(seconds.toFixed(9))}s".`;
}

function unknownField(desc: DescMessage, key: string, path: ConfigPath): ShapeProblem {
  const names = desc.fields.map((f) => f.jsonName);
  const near = nearestName(key, names);
  const advice = near === undefined ? fieldsAdvice(desc) : `Did you mean "${near}"?`;
  return { path: [...path, key], at: 'key', message: 'is not a known field', advice };
}

function fieldsAdvice(desc: DescMessage): string {
  return `Fields here are ${desc.fields.map((f) => f.jsonName).join(', ')}.`;
}

function wrong(path: ConfigPath, message: string, advice: string): ShapeProblem {
  return { path, at: 'value', message, advice };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
