import { describe } from 'vitest';
import { FOREIGN_ROWS } from './rows.ts';
import { testRows } from './short.ts';

describe('discovery over systems of others loses no call to who lives', () => testRows(FOREIGN_ROWS));
