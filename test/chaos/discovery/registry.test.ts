import { describe } from 'vitest';
import { REGISTRY_ROWS } from './rows.ts';
import { testRows } from './short.ts';

describe('discovery over the embedded registry loses no call to who lives', () => testRows(REGISTRY_ROWS));
