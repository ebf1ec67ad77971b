import { ENCODING_FUNCTIONS } from './functions/encoding-functions.js';
import { MATH_FUNCTIONS } from './functions/math-functions.js';
import { NETWORK_FUNCTIONS } from './functions/network-functions.js';
import type { SqlFunction } from './functions/sql-function.js';
import { PATH_FUNCTIONS, STRING_FUNCTIONS } from './functions/string-functions.js';
import { VERSION_FUNCTIONS } from './functions/version-functions.js';

/** Scalar functions with osquery's names and results. `docs/questions/sql.md` says where they differ. */
export const SQL_FUNCTIONS: readonly SqlFunction[] = [
  ...STRING_FUNCTIONS,
  ...PATH_FUNCTIONS,
  ...VERSION_FUNCTIONS,
  ...NETWORK_FUNCTIONS,
  ...ENCODING_FUNCTIONS,
  ...MATH_FUNCTIONS,
];
